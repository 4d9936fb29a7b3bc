/**
 * All execution environments of one function. As on Lambda an environment answers one invocation at a time, is started
 * when there is none idle, and is kept warm. Unlike Lambda, an invocation beyond the bound waits instead of being throttled.
 */
import { randomUUID } from 'node:crypto';
import type { Writable } from 'node:stream';
import type { FunctionSpec } from './function-spec.ts';
import { failed, type Outcome } from './invocation.ts';
import { reportLine } from './report-line.ts';
import { WarmWorker } from './warm-worker.ts';

/** Enough to show what concurrency does, few enough for a laptop. */
const DEFAULT_CONCURRENCY = 2;

export class FunctionPool {
  readonly spec: FunctionSpec;
  readonly #logFile: Writable;
  readonly #limit: number;
  readonly #workers = new Set<WarmWorker>();
  readonly #idle: WarmWorker[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #running = new Set<Promise<Outcome>>();
  #busy = 0;
  #stopped = false;

  constructor(spec: FunctionSpec, logFile: Writable) {
    this.spec = spec;
    this.#logFile = logFile;
    this.#limit = Math.max(1, Math.min(spec.reservedConcurrency ?? DEFAULT_CONCURRENCY, DEFAULT_CONCURRENCY));
  }

  /**
   * Invokes the function with an event in JSON. Never rejects: a failure is an outcome.
   * @param expiresAtMs an event that has waited until then is not run any more
   */
  invoke(event: string, expiresAtMs = Number.POSITIVE_INFINITY): Promise<Outcome> {
    const run = this.#invoke(event, expiresAtMs).finally(() => this.#running.delete(run));
    this.#running.add(run);
    return run;
  }

  /** Waits up to `graceMs` for running invocations, then ends all environments. Later invocations fail at once. */
  async stop(graceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const graceIsOver = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.allSettled([...this.#running]), graceIsOver]);
    clearTimeout(timer);
    this.#stopped = true;
    for (const next of this.#waiting.splice(0)) next();
    await Promise.all([...this.#workers].map((worker) => worker.end()));
    this.#logFile.end();
  }

  async #invoke(event: string, expiresAtMs: number): Promise<Outcome> {
    if (this.#busy >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy += 1;
    try {
      if (this.#stopped) return failed('ServiceException', 'the function host is stopping');
      if (Date.now() > expiresAtMs) return failed('EventAgeExceeded', 'the event has waited too long');
      return await this.#runOn(this.#takeWorker(), event);
    } finally {
      // The place passes to the next in line, or falls free.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#busy -= 1;
    }
  }

  async #runOn(worker: WarmWorker, event: string): Promise<Outcome> {
    const requestId = randomUUID();
    const begunAt = performance.now();
    const outcome = await worker.run(requestId, event);
    const durationMs = performance.now() - begunAt;
    if (worker.alive) this.#idle.push(worker);
    else this.#workers.delete(worker);
    if (outcome.kind === 'failed') this.#log({ level: 'ERROR', message: 'Invoke Error', requestId, ...outcome.error });
    this.#log(
      reportLine({ requestId, durationMs, memoryMiB: this.spec.memoryMiB, usedMiB: worker.maxUsedMiB, outcome }),
    );
    return outcome;
  }

  #takeWorker(): WarmWorker {
    for (let worker = this.#idle.pop(); worker; worker = this.#idle.pop()) {
      // One that died while it was idle: of an error in something that the handler left running.
      if (worker.alive) return worker;
      this.#workers.delete(worker);
    }
    const started = new WarmWorker(this.spec, this.#logFile);
    this.#workers.add(started);
    return started;
  }

  /** Lambda, too, writes errors that nobody handled, and a report on every invocation, to the function's log. */
  #log(line: object): void {
    if (!this.#logFile.writableEnded) this.#logFile.write(`${JSON.stringify(line)}\n`);
  }
}
