/** What arrives: workloads made by seed, and any that a user has as a file. */
import { type Random, randomOf } from './random.ts';

export interface SimulatedTask {
  readonly arrivalSeconds: number;
  readonly durationSeconds: number;
  readonly jobId: string;
}

export interface Workload {
  readonly name: string;
  /** By arrival. */
  readonly tasks: readonly SimulatedTask[];
}

const HOUR = 3_600;

/** Jobs that come and the durations of their tasks, as the generators write them. */
type Batch = { readonly at: number; readonly durations: readonly number[] };

const GENERATORS: Readonly<Record<string, (random: Random) => Batch[]>> = {
  /** One job of 20,000 tasks of about three quarters of a minute. */
  'one huge job': (random) => [{ at: 0, durations: many(20_000, () => random.logNormal(45, 0.4)) }],

  /** Over half a day, every hour or so some jobs within minutes of each other. */
  bursty: (random) =>
    times(random, 12 * HOUR, HOUR).flatMap((at) =>
      many(random.integer(1, 4), () => {
        const median = random.logNormal(60, 0.5);
        return {
          at: at + random.exponential(180),
          durations: many(random.integer(100, 1_500), () => random.logNormal(median, 0.5)),
        };
      }),
    ),

  /** Two days with a tenfold rhythm of day and night. */
  diurnal: (random) =>
    times(random, 48 * HOUR, 150)
      .filter((at) => random.uniform() < 0.1 + 0.45 * (1 + Math.sin((at / (24 * HOUR)) * 2 * Math.PI)))
      .map((at) => ({ at, durations: many(random.integer(5, 60), () => random.logNormal(90, 0.6)) })),

  /** Most tasks take half a minute, and most of the work is in those that take hours. */
  'heavy-tailed': (random) =>
    times(random, 12 * HOUR, 900).map((at) => ({
      at,
      durations: many(random.integer(20, 150), () => Math.min(4 * HOUR, random.pareto(30, 1.3))),
    })),

  /** A thousand jobs and more of a few tasks, each of seconds. */
  'many small jobs': (random) =>
    times(random, 8 * HOUR, 20).map((at) => {
      const median = random.logNormal(20, 0.5);
      return { at, durations: many(random.integer(1, 20), () => random.logNormal(median, 0.4)) };
    }),
};

export const WORKLOAD_NAMES = Object.keys(GENERATORS);

/** @param name one of `WORKLOAD_NAMES` */
export function workloadOf(name: string, seed: number): Workload {
  const generate = GENERATORS[name];
  if (!generate) throw new RangeError(`there is no workload "${name}"; there are: ${WORKLOAD_NAMES.join(', ')}`);
  const batches = generate(randomOf(seed, name));
  const tasks = batches.flatMap(({ at, durations }, index) =>
    durations.map((durationSeconds) => ({ arrivalSeconds: at, durationSeconds, jobId: `job-${index}` })),
  );
  return { name, tasks: tasks.sort((a, b) => a.arrivalSeconds - b.arrivalSeconds) };
}

/** The rows of a CSV file with the columns `arrival_seconds,duration_seconds,job_id`, in any order. */
export function workloadOfCsv(name: string, text: string): Workload {
  const [head = '', ...rows] = text.trim().split(/\r?\n/);
  const names = head.split(',').map((each) => each.trim());
  const [arrival, duration, job] = ['arrival_seconds', 'duration_seconds', 'job_id'].map((each) => {
    if (!names.includes(each)) throw new RangeError(`${name} has no column ${each}; it has: ${names.join(', ')}`);
    return names.indexOf(each);
  });
  const tasks = rows.map((row, index): SimulatedTask => {
    const cells = row.split(',');
    const number = (column: number | undefined): number => {
      const value = Number(cells[column ?? -1]);
      if (!Number.isFinite(value) || value < 0)
        throw new RangeError(`${name}, line ${index + 2}: "${row}" has no number`);
      return value;
    };
    return { arrivalSeconds: number(arrival), durationSeconds: number(duration), jobId: cells[job ?? -1] ?? '' };
  });
  return { name, tasks: tasks.sort((a, b) => a.arrivalSeconds - b.arrivalSeconds) };
}

const many = <Item>(count: number, make: () => Item): Item[] => Array.from({ length: count }, make);

/** Moments within a span, at random, so far apart on average; at least one. */
function times(random: Random, spanSeconds: number, meanGapSeconds: number): number[] {
  const moments = [0];
  for (let at = random.exponential(meanGapSeconds); at < spanSeconds; at += random.exponential(meanGapSeconds)) {
    moments.push(at);
  }
  return moments;
}
