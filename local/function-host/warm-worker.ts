/**
 * One execution environment of a function: a thread that has loaded the handler and answers one invocation at a time.
 *
 * It is *loading* until its module is there, then *idle* or *running*. It ends, for good, when it fails outside the
 * handler, runs into the function's timeout, or is ended; whatever it was running then fails.
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

/**
 * A dozen threads that each let 48 MiB of short-lived objects gather before they look are half a gigabyte of a laptop's
 * memory. It costs a function little to look sooner.
 */
const YOUNG_GENERATION_MIB = 12;

interface Running {
  readonly requestId: string;
  readonly event: string;
  readonly resolve: (outcome: Outcome) => void;
}

export class WarmWorker {
  readonly #thread: Worker;
  readonly #spec: FunctionSpec;
  #alive = true;
  #maxUsedMiB = 0;
  #loaded = false;
  #running: Running | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Why it ends, if that is known before it has ended. */
  #verdict: Outcome | undefined;

  constructor(spec: FunctionSpec, log: Writable) {
    this.#spec = spec;
    this.#thread = new Worker(new URL('./handler-thread.ts', import.meta.url), {
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
      resourceLimits: { maxOldGenerationSizeMb: spec.memoryMiB, maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
    });
    this.#thread.stdout.pipe(log, { end: false });
    this.#thread.stderr.pipe(log, { end: false });
    this.#thread.on('message', (message: ThreadReply) => this.#receive(message));
    this.#thread.on('error', (error) => {
      this.#verdict ??= { kind: 'failed', error: functionErrorOf(error) };
    });
    this.#thread.on('exit', (code) => {
      this.#alive = false;
      this.#settle(this.#verdict ?? failed('Runtime.ExitError', `Runtime exited with exit status ${code}`));
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The most memory that it was seen to have taken. */
  get maxUsedMiB(): number {
    return this.#maxUsedMiB;
  }

  /** Runs one invocation. Call it only when the last one has been answered. Never rejects. */
  run(requestId: string, event: string): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    // It may have died in the moment since it was chosen.
    if (!this.#alive) return Promise.resolve(this.#verdict ?? failed('Runtime.ExitError', 'Runtime exited'));
    this.#running = { requestId, event, resolve };
    if (this.#loaded) this.#begin();
    else this.#endAfter(LOAD_LIMIT_MS, `${requestId} Init timed out after ${LOAD_LIMIT_MS / 1_000} seconds`);
    return promise;
  }

  /** Ends the thread, whatever it does. */
  async end(): Promise<void> {
    this.#alive = false;
    await this.#thread.terminate();
  }

  #receive(message: ThreadReply): void {
    switch (message.kind) {
      case 'loaded':
        this.#loaded = true;
        if (this.#running) this.#begin();
        return;
      case 'answered':
        this.#maxUsedMiB = Math.max(this.#maxUsedMiB, message.usedMiB);
        // After a timeout nobody waits for it any more.
        if (message.requestId === this.#running?.requestId) this.#settle(message.outcome);
    }
  }

  /** The function's time begins only now: loading the module is not part of it. */
  #begin(): void {
    if (!this.#running) return;
    const { requestId, event } = this.#running;
    const { timeoutSeconds } = this.#spec;
    const limitMs = timeoutSeconds * 1_000;
    this.#endAfter(limitMs, `${requestId} Task timed out after ${timeoutSeconds.toFixed(2)} seconds`);
    this.#thread.postMessage({ requestId, event, deadlineMs: Date.now() + limitMs } satisfies ThreadRequest);
  }

  #endAfter(limitMs: number, message: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#verdict = failed('Sandbox.Timedout', message);
      void this.end();
    }, limitMs);
  }

  #settle(outcome: Outcome): void {
    clearTimeout(this.#timer);
    this.#running?.resolve(outcome);
    this.#running = undefined;
  }
}
