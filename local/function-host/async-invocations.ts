/** Asynchronous invocations: accepted at once, run later, tried again when they fail (Lambda Developer Guide). */
import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome } from './invocation.ts';

/** Lambda waits a minute, then two. Nobody who tries something at their desk wants that. */
const DELAYS_MS = [1_000, 2_000];

export interface AsyncLimits {
  readonly asyncRetries: number;
  readonly asyncMaxAgeSeconds: number;
}

export class AsyncInvocations {
  readonly #stopping = new AbortController();
  readonly #pending = new Set<Promise<void>>();

  /**
   * Takes an invocation over; its outcome is nobody's any more.
   * @param invoke with the time after which the event must not be run any more
   * @param limits how often an error is tried again, at most twice, and how old an event may become
   */
  accept(invoke: (expiresAtMs: number) => Promise<Outcome>, limits: AsyncLimits): void {
    const expiresAtMs = Date.now() + limits.asyncMaxAgeSeconds * 1_000;
    const run = this.#run(() => invoke(expiresAtMs), DELAYS_MS.slice(0, limits.asyncRetries)).finally(() =>
      this.#pending.delete(run),
    );
    this.#pending.add(run);
  }

  /** Gives up what waits for another try, and resolves when what runs has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#pending]);
  }

  async #run(invoke: () => Promise<Outcome>, delaysMs: readonly number[]): Promise<void> {
    for (const delayMs of [...delaysMs, undefined]) {
      const outcome = await invoke();
      if (outcome.kind === 'returned' || delayMs === undefined || this.#stopping.signal.aborted) return;
      // Rejects only when the host stops: then there is no next try.
      await delay(delayMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
    }
  }
}
