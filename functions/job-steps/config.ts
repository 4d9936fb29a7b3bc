import { z } from 'zod';
import { parseEnvironment } from '../environment.ts';

export const config = parseEnvironment(
  z.object({
    LAMBDA_TASK_ROOT: z.string().min(1),
    STAGE: z.string().min(1),
    JOBS_TABLE: z.string().min(1),
    TASKS_TABLE: z.string().min(1),
    DELAYED_QUEUE_URL: z.string().min(1),
    BUCKET: z.string().min(1),
    QUEUE_URL_PREFIX: z.string().min(1),
  }),
  process.env,
);
