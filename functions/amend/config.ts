import { z } from 'zod';
import { parseEnvironment } from '../environment.ts';

export const config = parseEnvironment(
  z.object({
    JOBS_TABLE: z.string().min(1),
    KEYS_TABLE: z.string().min(1),
    BUCKET: z.string().min(1),
    SCALER_FUNCTION_NAME: z.string().min(1),
  }),
  process.env,
);
