/** How a job stands, in one line. On a terminal the line is redrawn; elsewhere each change gets a line of its own. */
import type { InstanceState, JobState } from './demo-api.ts';

/** All of the line fits into 80 columns. */
const BAR_WIDTH = 16;

/** `RUNNING   ████████░░░░░░░░ 12/24 done, 2 running · machines: 2 READY`. */
export function progressText({ status, counters }: JobState, instances: readonly InstanceState[]): string {
  const { pending, running, completed, failed, cancelled } = counters;
  const ended = completed + failed + cancelled;
  const total = ended + pending + running;
  const filled = total === 0 ? 0 : Math.floor((ended / total) * BAR_WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  const others = Object.entries({ running, failed, cancelled }).filter(([, number]) => number > 0);
  const counts = [`${completed}/${total} done`, ...others.map(([name, number]) => `${number} ${name}`)];
  return `${status.padEnd(9)} ${bar} ${counts.join(', ')} · machines: ${instancesText(instances)}`;
}

/** `2 READY, 1 BOOTING`; `none`. */
export function instancesText(instances: readonly InstanceState[]): string {
  const states = [...new Set(instances.map((instance) => instance.state))];
  const counted = states.map((state) => `${instances.filter((each) => each.state === state).length} ${state}`);
  return counted.join(', ') || 'none';
}

export class ProgressLine {
  readonly #out: NodeJS.WriteStream;
  readonly #startedAt = performance.now();
  #last = '';

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  show(text: string): void {
    const elapsed = `${((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(5)} s`;
    if (this.#out.isTTY) {
      // A line that wraps could not be redrawn.
      const line = `${elapsed}  ${text}`.slice(0, (this.#out.columns || 80) - 1);
      this.#out.write(`\r\x1b[K${line}`);
    } else if (text !== this.#last) {
      this.#out.write(`${elapsed}  ${text}\n`);
    }
    this.#last = text;
  }

  /** Leaves the line as it is: what is written next begins a new one. */
  end(): void {
    if (this.#out.isTTY && this.#last !== '') this.#out.write('\n');
    this.#last = '';
  }
}
