import { join } from 'node:path';

/** The folder of this checkout: sources and `node_modules` are found from here, wherever a command is started. */
export const PROJECT_ROOT = join(import.meta.dirname, '..');

/** Node keeps compiled code here: the AWS SDK loads in a third less time. Shared by all runs, safe to delete. */
export const COMPILE_CACHE = join(PROJECT_ROOT, '.shoal', 'compile-cache');
