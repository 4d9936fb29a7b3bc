/** What happened in a run, kept as cheaply as can be and told only when somebody wants to know. */
import type { Clock } from '../../core/ports.ts';

interface Line {
  readonly at: number;
  readonly who: string;
  readonly what: string;
}

export class Trace {
  readonly #clock: Clock;
  readonly #began: number;
  readonly #lines: Line[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#began = clock.now().getTime();
  }

  add(who: string, what: string): void {
    this.#lines.push({ at: this.#clock.now().getTime(), who, what });
  }

  /** The last lines that speak of any of these, or of faults; all of them if nothing is named. */
  tell(about: readonly string[], limit: number): string[] {
    const told = this.#lines.map((line) => this.#format(line));
    const matching = about.length === 0 ? told : told.filter((line) => about.some((each) => line.includes(each)));
    const left = Math.max(0, matching.length - limit);
    return [...(left > 0 ? [`… ${left} earlier lines`] : []), ...matching.slice(-limit)];
  }

  #format({ at, who, what }: Line): string {
    const seconds = ((at - this.#began) / 1_000).toFixed(3).padStart(10);
    return short(`${seconds}  ${who.padEnd(14)} ${what}`);
  }
}

/** `job_01JD8Z3K9M0000000000000002-3` is told as `J2-3`. */
export const short = (text: string): string => text.replace(/job_01JD8Z3K9M0*(\w{1,3})\b/g, 'J$1');
