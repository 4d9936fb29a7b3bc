import { z } from 'zod';
import { GIVE_UP_SECONDS } from '../../core/machine-trouble.ts';
import { parseEnvironment } from '../environment.ts';

export const config = parseEnvironment(
  z.object({
    BUCKET: z.string().min(1),
    LAMBDA_TASK_ROOT: z.string().min(1),
    STAGE: z.string().min(1),
    JOBS_TABLE: z.string().min(1),
    TASKS_TABLE: z.string().min(1),
    FLEETS_TABLE: z.string().min(1),
    QUEUE_URL_PREFIX: z.string().min(1),
    DELAYED_QUEUE_URL: z.string().min(1),
    STATUS_DEAD_QUEUE_URL: z.string().min(1),
    SCALER_FUNCTION_NAME: z.string().min(1),
    GIVE_UP_SECONDS: z.coerce.number().positive().default(GIVE_UP_SECONDS),
  }),
  process.env,
);
