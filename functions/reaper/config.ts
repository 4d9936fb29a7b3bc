import { z } from 'zod';
import { parseEnvironment } from '../environment.ts';

export const config = parseEnvironment(
  z.object({
    STAGE: z.string().min(1),
    /** Machines of the local run are processes, which EC2 knows nothing of. */
    LOCAL_INSTANCES_DIR: z.string().optional(),
  }),
  process.env,
);
