/**
 * The checkouts of this machine: one a commit and setup line, made once, shared by every task of it. A failure is
 * remembered for a short while, so that a machine does not spend its life failing at the same thing.
 */
import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TaskMessage } from '../../core/messages.ts';
import type { Clock } from '../../core/ports.ts';
import { checkout, describeFailedRun } from './checkout.ts';
import type { WorkSettings } from './config.ts';
import { messageOf } from './log.ts';
import type { ProcessGroups } from './process-groups.ts';
import { runProgram } from './run-program.ts';
import { commandEnvironment } from './task-environment.ts';

export type Code = TaskMessage['code'];

export type Preparation =
  | { readonly kind: 'ready'; readonly folder: string }
  | { readonly kind: 'failed'; readonly reason: string }
  /** The machine stops: nobody's fault. */
  | { readonly kind: 'stopped' };

export interface PreparationTools {
  readonly settings: Pick<WorkSettings, 'workDir' | 'setupSeconds' | 'graceSeconds' | 'commandPath'>;
  readonly groups: ProcessGroups;
  readonly clock: Clock;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  /** How long a failure stands before it is tried again. */
  readonly backoffSeconds: number;
  /** Told of every try that came to an end. */
  readonly onTried: (commit: string, outcome: Preparation, seconds: number) => void;
}

interface Entry {
  readonly outcome: Promise<Preparation>;
  state: 'running' | 'ready' | 'failed';
  retryAt: number;
}

export class Preparations {
  readonly #tools: PreparationTools;
  readonly #entries = new Map<string, Entry>();
  #failuresInARow = 0;

  constructor(tools: PreparationTools) {
    this.#tools = tools;
  }

  /** Tries that failed since the last one that succeeded, of whatever commit. */
  get failuresInARow(): number {
    return this.#failuresInARow;
  }

  isReady(code: Code): boolean {
    return this.#entries.get(keyOf(code))?.state === 'ready';
  }

  /** The code's checkout, made if need be: callers of the same code share one preparation. */
  prepare(code: Code): Promise<Preparation> {
    const key = keyOf(code);
    const known = this.#entries.get(key);
    if (known && !(known.state === 'failed' && this.#now() >= known.retryAt)) return known.outcome;
    const entry: Entry = { outcome: this.#attempt(code, key), state: 'running', retryAt: 0 };
    this.#entries.set(key, entry);
    return entry.outcome;
  }

  /** Forgets a checkout that turned out to be broken: the next task makes it anew. */
  forget(code: Code): void {
    this.#entries.delete(keyOf(code));
  }

  async #attempt(code: Code, key: string): Promise<Preparation> {
    const began = this.#now();
    const outcome = await this.#make(code, join(this.#tools.settings.workDir, 'checkouts', key)).catch(
      (error: unknown): Preparation => ({ kind: 'failed', reason: `the checkout failed: ${messageOf(error)}` }),
    );
    const entry = this.#entries.get(key);
    if (outcome.kind !== 'stopped') this.#failuresInARow = outcome.kind === 'ready' ? 0 : this.#failuresInARow + 1;
    if (entry) {
      entry.state = outcome.kind === 'ready' ? 'ready' : 'failed';
      entry.retryAt = this.#now() + this.#tools.backoffSeconds * 1_000;
    }
    this.#tools.onTried(code.commit, outcome, (this.#now() - began) / 1_000);
    return outcome;
  }

  async #make(code: Code, place: string): Promise<Preparation> {
    const { settings, groups, stop, kill } = this.#tools;
    const deadline = performance.now() + settings.setupSeconds * 1_000;
    await rm(place, { recursive: true, force: true });
    const folder = join(place, 'code');
    const home = join(place, 'home');
    await mkdir(home, { recursive: true });
    const environment = commandEnvironment({ home, temporary: home, path: settings.commandPath });
    const limits = { graceSeconds: settings.graceSeconds, stop, kill };

    const { repository, commit, setup } = code;
    const request = { repository, commit, folder, timeoutSeconds: settings.setupSeconds, environment, ...limits };
    const checkedOut = await checkout(request, groups);
    if (stop.aborted || kill.aborted) return { kind: 'stopped' };
    if (checkedOut.kind === 'failed') return checkedOut;
    if (setup === null) return { kind: 'ready', folder };

    const run = await runProgram(
      {
        command: '/bin/sh',
        arguments: ['-c', setup],
        cwd: folder,
        environment: { ...environment, ...code.env, SHOAL_COMMIT: commit },
        timeoutSeconds: Math.max(0, (deadline - performance.now()) / 1_000),
        ...limits,
      },
      groups,
    );
    if (run.endedFor === 'stop') return { kind: 'stopped' };
    const good = run.end.kind === 'exited' && run.end.code === 0 && run.endedFor === null;
    return good ? { kind: 'ready', folder } : { kind: 'failed', reason: describeFailedRun('setup', run) };
  }

  #now(): number {
    return this.#tools.clock.now().getTime();
  }
}

/** `setup` changes the checkout and sees the job's environment: another line or environment is another checkout. */
function keyOf(code: Code): string {
  const { repository, commit, setup } = code;
  const env = setup === null ? [] : Object.entries(code.env).toSorted(([one], [other]) => (one < other ? -1 : 1));
  const digest = createHash('sha256').update(JSON.stringify([repository, commit, setup, env]));
  return `${commit.slice(0, 12)}-${digest.digest('hex').slice(0, 12)}`;
}
