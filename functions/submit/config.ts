import { z } from 'zod';
import { parseEnvironment } from '../environment.ts';

const list = z.string().transform((text) => text.split(',').filter(Boolean));

export const config = parseEnvironment(
  z.object({
    JOBS_TABLE: z.string().min(1),
    TASKS_TABLE: z.string().min(1),
    FLEETS_TABLE: z.string().min(1),
    KEYS_TABLE: z.string().min(1),
    BUCKET: z.string().min(1),
    STATE_MACHINE_ARN: z.string().min(1),
    SCALER_FUNCTION_NAME: z.string().min(1),
    LAMBDA_TASK_ROOT: z.string().min(1),
    STAGE: z.string().min(1),
    /** The local run keeps its credentials here, as files. */
    LOCAL_CREDENTIALS_DIR: z.string().min(1).optional(),
    /** Nothing else is asked for a commit: a submission must not make us call just any address. */
    REPOSITORY_HOSTS: list.default(['github.com']),
    /** Only the local run reads repositories from its own disk, or over plain HTTP. */
    ALLOW_LOCAL_REPOSITORIES: z.literal('true').optional(),
  }),
  process.env,
);
