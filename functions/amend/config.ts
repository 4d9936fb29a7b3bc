import { z } from 'zod';
import { parseEnvironment } from '../environment.ts';

export const config = parseEnvironment(
  z.object({
    QUEUE_URL_PREFIX: z.string().min(1),
    STAGE: z.string().min(1),
    LAMBDA_TASK_ROOT: z.string().min(1),
    JOBS_TABLE: z.string().min(1),
    KEYS_TABLE: z.string().min(1),
    BUCKET: z.string().min(1),
    SCALER_FUNCTION_NAME: z.string().min(1),
  }),
  process.env,
);
