/** The folder of one task on this machine: its input, the places for its result and checkpoint, a home and room for temporary files. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface TaskFolder extends AsyncDisposable {
  readonly home: string;
  readonly temporary: string;
  readonly inputFile: string;
  readonly resultFile: string;
  readonly checkpointFile: string;
}

/** Makes the folder of a lease; disposing removes it with all that the command left in it. */
export async function makeTaskFolder(workDir: string, leaseId: string): Promise<TaskFolder> {
  const root = join(workDir, 'tasks', encodeURIComponent(leaseId));
  const home = join(root, 'home');
  const temporary = join(root, 'tmp');
  await mkdir(home, { recursive: true });
  await mkdir(temporary, { recursive: true });
  return {
    home,
    temporary,
    inputFile: join(root, 'input.json'),
    resultFile: join(root, 'result.json'),
    checkpointFile: join(root, 'checkpoint'),
    // What cannot be removed stays until the machine ends: it must not cost the task its outcome.
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined),
  };
}
