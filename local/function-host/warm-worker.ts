/**
 * One execution environment of a function: a thread that has loaded the handler and answers one invocation at a time.
 * It stays warm until it fails outside the handler, runs into the function's timeout, or is ended.
 */
import type { Writable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import type { FunctionSpec } from './function-spec.ts';
import {
  failed,
  functionErrorOf,
  type Outcome,
  type ThreadData,
  type ThreadReply,
  type ThreadRequest,
} from './invocation.ts';

/** Lambda gives a module 10 s to load; a busy machine with a cold disk may need longer. */
const LOAD_LIMIT_MS = 30_000;

export class WarmWorker {
  readonly #thread: Worker;
  readonly #spec: FunctionSpec;
  readonly #loaded: Promise<void>;
  readonly #ended: Promise<Outcome>;
  #alive = true;

  constructor(spec: FunctionSpec, log: Writable) {
    this.#spec = spec;
    const thread = new Worker(new URL('./handler-thread.ts', import.meta.url), {
      workerData: {
        handlerFile: spec.handlerFile,
        handlerExport: spec.handlerExport,
        functionName: spec.name,
        functionArn: spec.arn,
        memoryMiB: spec.memoryMiB,
      } satisfies ThreadData,
      env: { ...spec.environment },
      stdout: true,
      stderr: true,
      // A function that needs more memory than it has must fail here as it would there.
      resourceLimits: { maxOldGenerationSizeMb: spec.memoryMiB },
    });
    thread.stdout.pipe(log, { end: false });
    thread.stderr.pipe(log, { end: false });
    // Many waits at once, each of one invocation or of the load: the default of ten listeners is no leak here.
    thread.setMaxListeners(0);
    this.#thread = thread;
    this.#loaded = new Promise((resolve) => {
      thread.on('message', (message: ThreadReply) => {
        if (message.kind === 'loaded') resolve();
      });
    });
    this.#ended = this.#watchEnd();
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Runs one invocation. Call it only when the last one has been answered. Never rejects. */
  async run(requestId: string, event: string): Promise<Outcome> {
    const notLoaded = await this.#within(LOAD_LIMIT_MS, this.#loaded, 'Init timed out');
    if (notLoaded) return notLoaded;
    const { timeoutSeconds } = this.#spec;
    const answer = this.#answerTo(requestId);
    const deadlineMs = Date.now() + timeoutSeconds * 1_000;
    this.#thread.postMessage({ requestId, event, deadlineMs } satisfies ThreadRequest);
    const message = `${requestId} Task timed out after ${timeoutSeconds.toFixed(2)} seconds`;
    const failure = await this.#within(timeoutSeconds * 1_000, answer.outcome, message);
    answer.stopListening();
    return failure ?? answer.outcome;
  }

  /** Ends the thread, whatever it does. */
  async end(): Promise<void> {
    this.#alive = false;
    await this.#thread.terminate();
  }

  /** `undefined` once `work` is done; the failure when the time is up or the thread ends before that. */
  async #within(limitMs: number, work: Promise<unknown>, timeoutMessage: string): Promise<Outcome | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const timeUp = new Promise<'time-up'>((resolve) => {
      timer = setTimeout(resolve, limitMs, 'time-up');
    });
    const first = await Promise.race([work.then(() => undefined), this.#ended, timeUp]);
    clearTimeout(timer);
    if (first !== 'time-up') return first;
    await this.end();
    return failed('Sandbox.Timedout', timeoutMessage);
  }

  #answerTo(requestId: string): { outcome: Promise<Outcome>; stopListening: () => void } {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const listen = (message: ThreadReply): void => {
      if (message.kind === 'answered' && message.requestId === requestId) resolve(message.outcome);
    };
    this.#thread.on('message', listen);
    return { outcome: promise, stopListening: () => this.#thread.off('message', listen) };
  }

  #watchEnd(): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#thread.on('error', (error) => {
        this.#alive = false;
        resolve({ kind: 'failed', error: functionErrorOf(error) });
      });
      this.#thread.on('exit', (code) => {
        this.#alive = false;
        resolve(failed('Runtime.ExitError', `Runtime exited with exit status ${code}`));
      });
    });
  }
}
