import type { Clock } from '../../core/ports.ts';

/** The time at which tests begin. */
export const START = '2026-03-01T12:00:00.000Z';

/** A time so many seconds after the start of the test, as it is written in events and rows. */
export const at = (seconds: number): string => new Date(Date.parse(START) + seconds * 1_000).toISOString();

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #milliseconds: number;

  constructor(start: string | Date = START) {
    this.#milliseconds = new Date(start).getTime();
  }

  now(): Date {
    return new Date(this.#milliseconds);
  }

  /** Moves time on; a clock never runs backwards. */
  advance(seconds: number): void {
    if (seconds < 0) throw new RangeError(`time does not run backwards: ${seconds} s`);
    this.#milliseconds += seconds * 1_000;
  }
}

/** The time of this machine. */
export const systemClock: Clock = { now: () => new Date() };
