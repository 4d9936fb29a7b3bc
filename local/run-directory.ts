/** The folder of a run: taken by one run at a time, and left without what only makes sense while it runs. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { FleetsFile } from '../core/fleet.ts';
import { endLocalInstances } from './end-local-instances.ts';
import { tryFileLock } from './file-lock.ts';
import { removeLocalDescription } from './local-description.ts';
import { PROJECT_ROOT } from './project-root.ts';

/** Of what a start that was killed may have left half, nothing is taken. */
const API_KEY = /^shoal_[\w-]{32}$/;

export class RunDirectory {
  /** An absolute path. */
  readonly root: string;
  readonly logs: string;
  /** Of the emulators: tables and buckets outlive the run. */
  readonly data: string;
  /** Of the local machines. */
  readonly instances: string;
  /** What the functions read as `LAMBDA_TASK_ROOT`. */
  readonly taskRoot: string;
  /** Credentials of private repositories: `credentials/{name}`, each a file of its owner alone. */
  readonly credentials: string;
  readonly #lock: string;
  #taken = false;

  /** @param dataDirectory `.shoal` of the checkout unless told otherwise */
  constructor(dataDirectory = join(PROJECT_ROOT, '.shoal')) {
    this.root = resolve(dataDirectory);
    this.logs = join(this.root, 'logs');
    this.data = join(this.root, 'data');
    this.instances = join(this.root, 'instances');
    this.taskRoot = join(this.root, 'task-root');
    this.credentials = join(this.root, 'credentials');
    this.#lock = join(this.root, 'lock');
  }

  get taken(): boolean {
    return this.#taken;
  }

  /** Two runs over one folder would end each other's machines. @throws Error when another run has it */
  async take(): Promise<void> {
    await mkdir(this.root, { recursive: true });
    this.#taken = await tryFileLock(this.#lock);
    if (!this.#taken) {
      throw new Error(`another local run uses ${this.root}; stop it, or choose another folder with --data`);
    }
    // Left by a run that was killed.
    await endLocalInstances(this.instances);
    await rm(`${this.logs}.previous`, { recursive: true, force: true });
    await rename(this.logs, `${this.logs}.previous`).catch(() => undefined);
    await mkdir(this.logs, { recursive: true });
    await mkdir(this.instances, { recursive: true });
  }

  /** JSON is YAML: the functions read the fleets of this run as they read those of a deployment. */
  async writeFleets(file: FleetsFile): Promise<void> {
    await mkdir(this.taskRoot, { recursive: true });
    await writeFile(join(this.taskRoot, 'fleets.yml'), JSON.stringify(file, null, 2));
  }

  /**
   * The API key of this folder's runs, made by the first one: a terminal that was told it goes on over a restart. Only its
   * owner may read it.
   */
  async apiKey(): Promise<string> {
    const path = join(this.root, 'api-key');
    const known = existsSync(path) ? (await readFile(path, 'utf8')).trim() : '';
    if (API_KEY.test(known)) return known;
    await rm(path, { force: true });
    const made = `shoal_${randomBytes(24).toString('base64url')}`;
    await writeFile(path, `${made}\n`, { mode: 0o600 });
    return made;
  }

  async leave(): Promise<void> {
    if (!this.#taken) return;
    await removeLocalDescription(this.root);
    await rm(this.#lock, { force: true });
    this.#taken = false;
  }
}
