/** The folder of one task on this machine: its input, places for its result and checkpoint, a home, temporary files. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkSettings } from './config.ts';
import { handOverTree, PRIVATE, removeTree } from './task-user.ts';

export interface TaskFolder extends AsyncDisposable {
  readonly home: string;
  readonly temporary: string;
  readonly inputFile: string;
  readonly resultFile: string;
  readonly checkpointFile: string;
  /** To be called when all is in it that the agent puts there, and not to be written to afterwards. */
  handOver(): Promise<void>;
}

/** Makes the folder of a lease; disposing removes it with all that the command left in it. */
export async function makeTaskFolder(
  { workDir, taskUser }: Pick<WorkSettings, 'workDir' | 'taskUser'>,
  leaseId: string,
): Promise<TaskFolder> {
  const root = join(workDir, 'tasks', encodeURIComponent(leaseId));
  const home = join(root, 'home');
  const temporary = join(root, 'tmp');
  await mkdir(root, { recursive: true, mode: PRIVATE });
  await mkdir(home, { recursive: true });
  await mkdir(temporary, { recursive: true });
  return {
    home,
    temporary,
    inputFile: join(root, 'input.json'),
    resultFile: join(root, 'result.json'),
    checkpointFile: join(root, 'checkpoint'),
    handOver: () => handOverTree(taskUser, root),
    // What cannot be removed stays until the machine ends: it must not cost the task its outcome.
    [Symbol.asyncDispose]: () => removeTree(taskUser, root).catch(() => undefined),
  };
}
