/** What happened in a run, kept as cheaply as can be and told only when somebody wants to know. */
import type { Clock } from '../../core/ports.ts';

interface Line {
  readonly at: number;
  readonly who: string;
  readonly what: string;
  /** Of a call; put into words only when it is told. */
  readonly args?: readonly unknown[];
}

const TOLD_CHARACTERS = 200;
/** Calls that only look. */
export const READS = /\.(?:progress|list\w*|read|getMany|get|depth|find\w*|receive)$/;

export class Trace {
  readonly #clock: Clock;
  readonly #began: number;
  readonly #lines: Line[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#began = clock.now().getTime();
  }

  add(who: string, what: string, args?: readonly unknown[]): void {
    this.#lines.push({ at: this.#clock.now().getTime(), who, what, ...(args ? { args } : {}) });
  }

  all(): string[] {
    return this.#lines.map((line) => this.#format(line));
  }

  /** What changed something and speaks of any of these: the last lines of it. */
  story(about: readonly string[], limit: number): string[] {
    const changes = this.#lines.filter(({ what, args }) => !args || !READS.test(what));
    const matching = changes
      .map((line) => this.#format(line))
      .filter((line) => about.some((each) => line.includes(each)));
    const left = Math.max(0, matching.length - limit);
    const lines = matching.slice(-limit).map((line) => line.slice(0, TOLD_CHARACTERS));
    return [...(left > 0 ? [`… ${left} earlier lines`] : []), ...lines];
  }

  #format({ at, who, what, args }: Line): string {
    const seconds = ((at - this.#began) / 1_000).toFixed(3).padStart(10);
    const words = args ? `${what} ${args.map((each) => JSON.stringify(each)).join(' ')}` : what;
    return short(`${seconds}  ${who.padEnd(18)} ${words}`);
  }
}

/** `job_01JD8Z3K9M0000000000000002-3` is told as `J2-3`. */
export const short = (text: string): string => text.replace(/job_01JD8Z3K9M0*(\w{1,3})\b/g, 'J$1');
