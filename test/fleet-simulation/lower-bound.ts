/**
 * What nobody can beat, however much they know: see docs/reference/fleet-economy.md for the proof.
 */
import { taskSeconds } from './simulate.ts';
import { CLOUD, type Pool } from './virtual-cloud.ts';
import type { SimulatedTask, Workload } from './workloads.ts';

const HOUR = 3_600;

export interface LowerBounds {
  /** For whoever may take as long as they like. */
  readonly patientUsd: number;
  /** For whoever has each job done when target tracking had it done. */
  readonly punctualUsd: number;
}

export interface Known {
  readonly pools: readonly { readonly pool: Pool; readonly slots: number }[];
  /** Nobody worked longer. */
  readonly lastSeconds: number;
  /** When target tracking had each job done. */
  readonly finishOf: ReadonlyMap<string, number>;
}

export function lowerBounds({ tasks }: Workload, { pools, lastSeconds, finishOf }: Known): LowerBounds {
  const first = tasks[0]?.arrivalSeconds ?? 0;
  const cheapest = cheapestByHour(pools, Math.floor(lastSeconds / HOUR));
  const fromThen = suffixMinimum(cheapest);
  const jobs = windows(tasks, finishOf);

  const patientWork = tasks.reduce(
    (sum, task) => sum + taskSeconds(task) * (fromThen[Math.floor(task.arrivalSeconds / HOUR)] ?? 0),
    0,
  );
  const punctualWork = jobs.reduce(
    (sum, job) => sum + job.workSeconds * leastWithin(cheapest, job.arrival, job.finish),
    0,
  );
  const leastPrice = fromThen[Math.floor(first / HOUR)] ?? 0;
  const shortestBoot = CLOUD.bootMedianSeconds * CLOUD.shortestBootShare;
  return {
    patientUsd: patientWork + leastPrice * shortestBoot,
    punctualUsd: punctualWork + leastPrice * overheadSlotSeconds(jobs, shortestBoot),
  };
}

/** What a slot-second costs at the least, hour by hour. */
const cheapestByHour = (pools: Known['pools'], lastHour: number): number[] =>
  Array.from({ length: lastHour + 1 }, (_, hour) =>
    pools.reduce(
      (least, { pool, slots }) => Math.min(least, pool.hourlyPriceUsd(hour * HOUR) / HOUR / slots),
      Number.POSITIVE_INFINITY,
    ),
  );

/** The least of each price and all that follow. */
function suffixMinimum(prices: readonly number[]): number[] {
  const least = [...prices];
  for (let index = least.length - 2; index >= 0; index -= 1) {
    least[index] = Math.min(least[index] ?? 0, least[index + 1] ?? 0);
  }
  return least;
}

function leastWithin(prices: readonly number[], from: number, to: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let hour = Math.floor(from / HOUR); hour <= Math.floor(to / HOUR); hour += 1) {
    least = Math.min(least, prices[hour] ?? Number.POSITIVE_INFINITY);
  }
  return least;
}

interface Window {
  readonly arrival: number;
  readonly finish: number;
  readonly workSeconds: number;
}

function windows(tasks: readonly SimulatedTask[], finishOf: ReadonlyMap<string, number>): Window[] {
  const byJob = new Map<string, { arrival: number; workSeconds: number }>();
  for (const task of tasks) {
    const job = byJob.get(task.jobId) ?? { arrival: task.arrivalSeconds, workSeconds: 0 };
    job.workSeconds += taskSeconds(task);
    byJob.set(task.jobId, job);
  }
  return [...byJob]
    .map(([jobId, job]) => ({ ...job, finish: finishOf.get(jobId) ?? Number.POSITIVE_INFINITY }))
    .sort((a, b) => a.arrival - b.arrival);
}

/**
 * Slot-seconds that are paid beside the work. Where the windows of all jobs leave a gap, a slot that is used before and
 * after it either lasts through the gap or boots again.
 */
function overheadSlotSeconds(jobs: readonly Window[], bootSeconds: number): number {
  const bursts: { from: number; to: number; slots: number }[] = [];
  for (const { arrival, finish, workSeconds } of jobs) {
    const slots = Math.max(1, Math.ceil(workSeconds / Math.max(1, finish - arrival) - 1e-9));
    const burst = bursts.at(-1);
    if (burst && arrival <= burst.to) {
      burst.to = Math.max(burst.to, finish);
      burst.slots = Math.max(burst.slots, slots);
    } else bursts.push({ from: arrival, to: finish, slots });
  }
  const most = bursts.reduce((sum, { slots }) => Math.max(sum, slots), 0);
  let overhead = 0;
  for (let level = 1; level <= most; level += 1) {
    let gap: number | null = null;
    let before: number | null = null;
    for (const { from, to, slots } of bursts) {
      if (gap !== null && before !== null) gap += from - before;
      before = to;
      if (slots < level) continue;
      overhead += gap === null ? bootSeconds : Math.min(bootSeconds, gap);
      gap = 0;
    }
  }
  return overhead;
}
