/**
 * The checkouts of this machine: one a commit and setup line, made once, shared by every task of it. A host that does
 * not answer is asked again for a while; a failure then is remembered for a short time, so that a machine does not spend
 * its life failing at the same thing. One that no open job needs any more is ended and leaves nothing.
 */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CredentialUser } from '../../adapters/git/repository-credentials.ts';
import { counted } from '../../core/counted.ts';
import { TransientError } from '../../core/errors.ts';
import type { TaskMessage } from '../../core/messages.ts';
import { type CheckoutOutcome, checkout, describeFailedRun, type RepositoryAuthorization } from './checkout.ts';
import type { AgentClock } from './clock.ts';
import type { WorkSettings } from './config.ts';
import { messageOf } from './log.ts';
import type { ProcessGroups } from './process-groups.ts';
import { backoffMs } from './retry.ts';
import { runProgram } from './run-program.ts';
import { sleep } from './sleep.ts';
import { endStrays } from './strays.ts';
import { commandEnvironment } from './task-environment.ts';
import { handOverTree, PRIVATE, removeTree } from './task-user.ts';

export type Code = TaskMessage['code'];

export type Preparation =
  | { readonly kind: 'ready'; readonly folder: string }
  | { readonly kind: 'failed'; readonly reason: string }
  /** The machine stops, or no job needs it any more: nobody's fault. */
  | { readonly kind: 'stopped' };

export interface PreparationTools {
  readonly settings: Pick<
    WorkSettings,
    'workDir' | 'taskUser' | 'setupSeconds' | 'graceSeconds' | 'cancelGraceSeconds' | 'commandPath'
  >;
  readonly groups: ProcessGroups;
  readonly credentials: CredentialUser;
  readonly clock: AgentClock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  /** How long a failure stands, and what it left: then it may be tried again. */
  readonly backoffSeconds: number;
  /** How long a host that does not answer is asked again, within the time for setup. */
  readonly patienceSeconds: number;
  /** Told of every try that came to an end. */
  readonly onTried: (commit: string, outcome: Preparation, seconds: number) => void;
}

type Authorized =
  | { readonly kind: 'ready'; readonly authorization: RepositoryAuthorization | null }
  | Extract<CheckoutOutcome, { kind: 'failed' }>;

/** A host that is down is asked less often than a queue: its pauses are so many times as long. */
const PAUSE_FACTOR = 5;

interface Entry {
  readonly outcome: Promise<Preparation>;
  /** Whose tasks asked for it. */
  readonly jobs: Set<string>;
  readonly stop: AbortController;
  state: 'running' | 'ready' | 'failed';
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

  /** Whether any is being made. */
  get isBusy(): boolean {
    return this.#running.length > 0;
  }

  /** The code's checkout, made if need be: callers of the same code share one preparation. */
  prepare(code: Code, jobId: string): Promise<Preparation> {
    const key = keyOf(code);
    const known = this.#entries.get(key);
    // Two at a time would be in each other's way.
    if (known && isEnding(known)) return known.outcome.then(() => this.prepare(code, jobId));
    known?.jobs.add(jobId);
    if (known) return known.outcome;
    const stop = new AbortController();
    const outcome = this.#attempt(code, key, stop.signal);
    this.#entries.set(key, { outcome, jobs: new Set([jobId]), stop, state: 'running' });
    return outcome;
  }

  /** Ends what is being made for no other job than such. */
  endJobs(isOver: (jobId: string) => boolean): void {
    for (const { jobs, stop } of this.#running) if ([...jobs].every(isOver)) stop.abort();
  }

  /** Ends what is being made; resolves when all of it is gone. */
  async close(): Promise<void> {
    const ending = this.#running;
    for (const { stop } of ending) stop.abort();
    await Promise.all(ending.map(({ outcome }) => outcome));
  }

  /** Forgets a checkout that turned out to be broken: the next task makes it anew. One that is being made is another. */
  forget(code: Code): void {
    if (this.isReady(code)) this.#entries.delete(keyOf(code));
  }

  get #running(): Entry[] {
    return [...this.#entries.values()].filter(({ state }) => state === 'running');
  }

  async #attempt(code: Code, key: string, over: AbortSignal): Promise<Preparation> {
    const began = this.#now();
    const { settings, stop } = this.#tools;
    const checkouts = join(settings.workDir, 'checkouts');
    const place = join(checkouts, key);
    const outcome = await this.#make(code, place, AbortSignal.any([stop, over])).catch(
      (error: unknown): Preparation => ({ kind: 'failed', reason: `the checkout failed: ${messageOf(error)}` }),
    );
    if (outcome.kind === 'stopped' && !stop.aborted) {
      await endStrays(checkouts, (name) => name === key);
      await removeTree(settings.taskUser, place).catch(() => undefined);
    }
    const entry = this.#entries.get(key);
    if (outcome.kind === 'stopped') this.#entries.delete(key);
    else if (entry) {
      entry.state = outcome.kind;
      this.#failuresInARow = outcome.kind === 'ready' ? 0 : this.#failuresInARow + 1;
      if (outcome.kind === 'failed') this.#forgetLater(key, entry, place);
    }
    this.#tools.onTried(code.commit, outcome, (this.#now() - began) / 1_000);
    return outcome;
  }

  /** What it left lies there till then: whether the disk is full is asked when it has failed. */
  #forgetLater(key: string, failed: Entry, place: string): void {
    const { clock, backoffSeconds, settings } = this.#tools;
    clock.after(backoffSeconds * 1_000, () => {
      const removed = removeTree(settings.taskUser, place).catch(() => undefined);
      const outcome = removed.then((): Preparation => {
        this.#entries.delete(key);
        return { kind: 'stopped' };
      });
      failed.stop.abort();
      this.#entries.set(key, { ...failed, outcome, state: 'running' });
    });
  }

  async #make(code: Code, place: string, stop: AbortSignal): Promise<Preparation> {
    const { settings, groups, kill } = this.#tools;
    const deadline = performance.now() + settings.setupSeconds * 1_000;
    const { commit, setup } = code;
    const fetched = await this.#fetch(code, place, deadline, stop);
    if (stop.aborted || kill.aborted) return { kind: 'stopped' };
    if (fetched.kind === 'failed') return { kind: 'failed', reason: fetched.reason };
    await handOverTree(settings.taskUser, place);
    const { folder, environment } = this.#placesIn(place);
    if (setup === null) return { kind: 'ready', folder };

    const run = await runProgram(
      {
        command: '/bin/sh',
        arguments: ['-c', setup],
        cwd: folder,
        environment: { ...environment, ...code.env, SHOAL_COMMIT: commit },
        user: settings.taskUser,
        timeoutSeconds: code.setupTimeoutSeconds,
        ...this.#limits(stop),
      },
      groups,
    );
    if (run.endedFor === 'stop') return { kind: 'stopped' };
    const good = run.end.kind === 'exited' && run.end.code === 0 && run.endedFor === null;
    return good ? { kind: 'ready', folder } : { kind: 'failed', reason: describeFailedRun('setup', run) };
  }

  /** Tries until the code is there, the failure is one that stays, or patience is over. */
  async #fetch(code: Code, place: string, deadline: number, stop: AbortSignal): Promise<CheckoutOutcome> {
    const { patienceSeconds, clock, random } = this.#tools;
    const patientUntil = Math.min(deadline, performance.now() + patienceSeconds * 1_000);
    for (let tries = 1; ; tries += 1) {
      const outcome = await this.#fetchOnce(code, place, deadline, stop);
      if (outcome.kind === 'done' || !outcome.mayPass || stop.aborted) return outcome;
      const pause = PAUSE_FACTOR * backoffMs(tries, random());
      if (performance.now() + pause >= patientUntil) {
        return { ...outcome, reason: `${outcome.reason} (tried ${counted(tries, 'time')})` };
      }
      await sleep(clock, pause, stop);
    }
  }

  async #fetchOnce(code: Code, place: string, deadline: number, stop: AbortSignal): Promise<CheckoutOutcome> {
    const { settings, groups } = this.#tools;
    const authorized = await this.#authorize(code);
    if (authorized.kind === 'failed') return authorized;
    // What an earlier try left is of no use to git.
    await removeTree(settings.taskUser, place);
    const { folder, home, environment } = this.#placesIn(place);
    await mkdir(place, { recursive: true, mode: PRIVATE });
    await mkdir(home);
    const { repository, commit, submodules } = code;
    const { authorization } = authorized;
    const limits = { timeoutSeconds: secondsUntil(deadline), ...this.#limits(stop) };
    return checkout({ repository, commit, submodules, authorization, folder, environment, ...limits }, groups);
  }

  /** Asked at every try: a token may expire between two. */
  async #authorize({ credential, repository }: Code): Promise<Authorized> {
    if (credential === null) return { kind: 'ready', authorization: null };
    try {
      const authorization = await this.#tools.credentials.authorize(credential, repository);
      if (authorization.kind === 'authorized') return { kind: 'ready', authorization };
      return { kind: 'failed', reason: authorization.message, mayPass: false };
    } catch (error) {
      return { kind: 'failed', reason: messageOf(error), mayPass: error instanceof TransientError };
    }
  }

  /** Half of a checkout is of use to nobody: one that must stop gets no more time than cancelled work. */
  #limits(stop: AbortSignal) {
    const { graceSeconds, cancelGraceSeconds } = this.#tools.settings;
    const stopGraceSeconds = (): number => Math.min(graceSeconds, cancelGraceSeconds);
    return { graceSeconds, stopGraceSeconds, stop, kill: this.#tools.kill };
  }

  #placesIn(place: string) {
    const home = join(place, 'home');
    const { commandPath } = this.#tools.settings;
    const environment = commandEnvironment({ home, temporary: home, path: commandPath });
    return { folder: join(place, 'code'), home, environment };
  }

  #now(): number {
    return this.#tools.clock.now().getTime();
  }
}

/** Told to end, and not gone yet. */
const isEnding = ({ state, stop }: Entry): boolean => state === 'running' && stop.signal.aborted;

const secondsUntil = (deadline: number): number => Math.max(0, (deadline - performance.now()) / 1_000);

/**
 * `setup` changes the checkout and sees the job's environment: another line or environment is another checkout. So is
 * one that was made with another credential: who may use this one need not be able to read what that one reads.
 */
function keyOf(code: Code): string {
  const { repository, commit, setup, submodules, credential } = code;
  const env = setup === null ? [] : Object.entries(code.env).toSorted(([one], [other]) => (one < other ? -1 : 1));
  const digest = createHash('sha256').update(JSON.stringify([repository, commit, setup, env, submodules, credential]));
  return `${commit.slice(0, 12)}-${digest.digest('hex').slice(0, 12)}`;
}
