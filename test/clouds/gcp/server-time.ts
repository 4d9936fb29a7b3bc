/** The time of a server for tests: this machine's, or one that a test moves. */
import type { Clock } from '../../../core/ports.ts';
import { START } from '../../factories/manual-clock.ts';

export interface ServerTime extends Clock {
  /** Calls back once, after so long; what it returns takes that back. */
  after(milliseconds: number, work: () => Promise<void> | void): () => void;
}

export const realTime: ServerTime = {
  now: () => new Date(),
  after: (milliseconds, work) => {
    const timer = setTimeout(() => void work(), milliseconds);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

interface Timer {
  readonly dueMs: number;
  readonly work: () => Promise<void> | void;
}

/** Stands still until it is moved; then whatever is due happens in its order, each before the next. */
export class VirtualTime implements ServerTime {
  #nowMs = Date.parse(START);
  readonly #timers = new Set<Timer>();

  now(): Date {
    return new Date(this.#nowMs);
  }

  after(milliseconds: number, work: () => Promise<void> | void): () => void {
    const timer = { dueMs: this.#nowMs + milliseconds, work };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  get waiting(): number {
    return this.#timers.size;
  }

  async advance(seconds: number): Promise<void> {
    const untilMs = this.#nowMs + seconds * 1_000;
    for (;;) {
      const next = this.#nextBy(untilMs);
      if (!next) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      await next.work();
    }
    this.#nowMs = untilMs;
  }

  #nextBy(untilMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers)
      if (timer.dueMs <= untilMs && timer.dueMs < (next?.dueMs ?? Infinity)) next = timer;
    return next;
  }
}
