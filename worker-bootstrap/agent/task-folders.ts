/**
 * The folders of the tasks on this machine: each has its input, places for its result and checkpoint, a home, temporary
 * files. With a task's folder goes what is left of the task.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkSettings } from './config.ts';
import { endStrays } from './strays.ts';
import { handOverTree, PRIVATE, removeTree } from './task-user.ts';

/** All processes of the machine are looked through: a short task must not pay for that alone. */
const SWEEP_MS = 1_000;

export interface TaskFolder extends AsyncDisposable {
  readonly home: string;
  readonly temporary: string;
  readonly inputFile: string;
  readonly resultFile: string;
  readonly checkpointFile: string;
  /** To be called when all is in it that the agent puts there, and not to be written to afterwards. */
  handOver(): Promise<void>;
}

export class TaskFolders {
  readonly #settings: Pick<WorkSettings, 'workDir' | 'taskUser'>;
  readonly #inUse = new Set<string>();
  #isSwept = true;
  #sweeping: Promise<void> | undefined;

  constructor(settings: Pick<WorkSettings, 'workDir' | 'taskUser'>) {
    this.#settings = settings;
  }

  /** Makes the folder of a lease; disposing removes it with all that the command left in it. */
  async make(leaseId: string): Promise<TaskFolder> {
    const { taskUser } = this.#settings;
    const name = encodeURIComponent(leaseId);
    const root = join(this.#parent, name);
    const home = join(root, 'home');
    const temporary = join(root, 'tmp');
    await mkdir(root, { recursive: true, mode: PRIVATE });
    await mkdir(home, { recursive: true });
    await mkdir(temporary, { recursive: true });
    this.#inUse.add(name);
    return {
      home,
      temporary,
      inputFile: join(root, 'input.json'),
      resultFile: join(root, 'result.json'),
      checkpointFile: join(root, 'checkpoint'),
      handOver: () => handOverTree(taskUser, root),
      [Symbol.asyncDispose]: async () => {
        await this.#remove(name);
        this.#inUse.delete(name);
        this.#isSwept = false;
        this.#sweeping ??= this.#sweep();
      },
    };
  }

  get #parent(): string {
    return join(this.#settings.workDir, 'tasks');
  }

  async #sweep(): Promise<void> {
    while (!this.#isSwept) {
      await delay(SWEEP_MS, undefined, { ref: false });
      this.#isSwept = true;
      for (const name of await endStrays(this.#parent, (each) => !this.#inUse.has(each))) await this.#remove(name);
    }
    this.#sweeping = undefined;
  }

  /** What cannot be removed stays until the machine ends: it must not cost the task its outcome. */
  async #remove(name: string): Promise<void> {
    await removeTree(this.#settings.taskUser, join(this.#parent, name)).catch(() => undefined);
  }
}
