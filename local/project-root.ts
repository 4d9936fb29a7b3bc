import { join } from 'node:path';

/** The folder of this checkout: sources and `node_modules` are found from here, wherever a command is started. */
export const PROJECT_ROOT = join(import.meta.dirname, '..');
