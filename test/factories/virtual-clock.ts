/** A clock that stands still until a test moves it, and then calls back whoever is due, in order. */
import type { TimerClock } from '../../adapters/timer-clock.ts';
import { START } from './manual-clock.ts';

export class VirtualClock implements TimerClock {
  #milliseconds = Date.parse(START);
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): Date {
    return new Date(this.#milliseconds);
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#milliseconds + Math.max(0, milliseconds), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many calls are to come. */
  get pending(): number {
    return this.#timers.size;
  }

  /** @param settle lets what a call began come to its end, before time moves on */
  async advance(seconds: number, settle: () => Promise<unknown> = async () => undefined): Promise<void> {
    const end = this.#milliseconds + seconds * 1_000;
    for (let next = this.#first(end); next; next = this.#first(end)) {
      this.#milliseconds = next.at;
      this.#timers.delete(next);
      next.callback();
      await settle();
    }
    this.#milliseconds = end;
  }

  #first(end: number) {
    const due = [...this.#timers].filter(({ at }) => at <= end);
    return due.sort((a, b) => a.at - b.at)[0];
  }
}
