/**
 * Where each task of a job over several fleets runs: a pure function of the job's placement and the task's index, so that
 * nobody has to store it.
 *
 *     rank     each task has one of 0 … taskCount − 1; those of any chunk are spread evenly over all of them
 *     shares   cut the ranks into one stretch a fleet: exactly so many tasks, and of each chunk as large a part
 *     left     a fleet that was left gives up all it has; `to` says to whom: nobody else's tasks move
 *
 * A fleet is left once and for good, and never the last one (docs/adr/0022-a-job-leaves-a-fleet-for-good.md).
 */
import { z } from 'zod';
import { CHUNK_SIZE } from './ids.ts';

export const shareSchema = z.object({ fleet: z.string(), tasks: z.int().nonnegative() });
/** So many of a job's tasks belong to that fleet. */
export type Share = z.infer<typeof shareSchema>;

export const leftFleetSchema = z.object({
  fleet: z.string(),
  at: z.iso.datetime(),
  /** In a sentence for people. */
  reason: z.string(),
  /** Where the tasks belong now that belonged to it. */
  to: z.array(shareSchema),
});
export type LeftFleet = z.infer<typeof leftFleetSchema>;

export const placementSchema = z.object({
  /** One a fleet that was named, those with nothing included; their tasks add up to the job's. */
  shares: z.array(shareSchema).min(1),
  /** In the order in which they were left. */
  left: z.array(leftFleetSchema),
  /** Why it is so, in sentences for people. */
  reasons: z.array(z.string()),
  /** When it was decided last. */
  at: z.iso.datetime(),
});
export type Placement = z.infer<typeof placementSchema>;

/**
 * How far the tasks of fleets that were left are sent again: all of the first `done` entries of `left`, and of the next one
 * those of the chunks before `chunk`.
 */
export const moveMarkSchema = z.object({ done: z.int().nonnegative(), chunk: z.int().nonnegative() });
export type MoveMark = z.infer<typeof moveMarkSchema>;

/** What of a job says where its tasks are. */
export interface Placed {
  /** As it was submitted: a name, or a list. */
  readonly fleet: string | readonly string[];
  readonly taskCount: number;
  /** `null`: all of it is on its one fleet. */
  readonly placement: Placement | null;
}

/** Every fleet that was named, those that were left included. */
export const fleetsNamed = ({ fleet }: Pick<Placed, 'fleet'>): readonly string[] =>
  typeof fleet === 'string' ? [fleet] : fleet;

export const hasLeft = ({ placement }: Pick<Placed, 'placement'>, fleet: string): boolean =>
  placement?.left.some((each) => each.fleet === fleet) ?? false;

/** The fleets that it has not left, whether they have tasks of it or not. */
export const fleetsInUse = (job: Pick<Placed, 'fleet' | 'placement'>): readonly string[] =>
  fleetsNamed(job).filter((fleet) => !hasLeft(job, fleet));

/** The fleets that have tasks of it now, ended ones included. */
export function fleetsWithTasks(job: Pick<Placed, 'fleet' | 'placement'>): readonly string[] {
  if (!job.placement) return fleetsNamed(job);
  const tasks = tasksByFleet(job.placement);
  return fleetsNamed(job).filter((fleet) => (tasks.get(fleet) ?? 0) > 0);
}

/** The fleet on which this task runs, or would. */
export function fleetOf(job: Placed, index: number): string {
  const { placement } = job;
  if (!placement) return fleetsNamed(job)[0] ?? '';
  return placeIn(placement, rankOf(index, job.taskCount), placement.left.length);
}

/** The fleet to which it belonged at first: what has ended is counted by it. */
export const firstFleetOf = ({ placement, taskCount }: Placed, index: number): string | null =>
  placement && placeIn(placement, rankOf(index, taskCount), 0);

/** Whether the task was moved when its job left a fleet for the `entry`th time. */
export function isMovedBy({ placement, taskCount }: Placed, entry: number, index: number): boolean {
  const left = placement?.left[entry];
  return left !== undefined && placement !== null && placeIn(placement, rankOf(index, taskCount), entry) === left.fleet;
}

/** How many tasks belong to each fleet now, those that have ended included. */
export function tasksByFleet({ shares, left }: Pick<Placement, 'shares' | 'left'>): ReadonlyMap<string, number> {
  const tasks = new Map(shares.map((share) => [share.fleet, share.tasks]));
  for (const { fleet, to } of left) moveAll(tasks, fleet, to);
  return tasks;
}

function moveAll(tasks: Map<string, number>, fleet: string, to: readonly Share[]): void {
  tasks.set(fleet, 0);
  for (const share of to) tasks.set(share.fleet, (tasks.get(share.fleet) ?? 0) + share.tasks);
}

/**
 * How many tasks each fleet has that have not ended. Exact for what a fleet was given at first; of what was moved from one
 * fleet to several, each is taken to have as large a part of what is open as it got of the whole.
 * @param ended how many tasks of each first fleet have ended
 */
export function openByFleet(
  { shares, left }: Pick<Placement, 'shares' | 'left'>,
  ended: Readonly<Record<string, number>>,
): ReadonlyMap<string, number> {
  const open = new Map(shares.map(({ fleet, tasks }) => [fleet, Math.max(0, tasks - (ended[fleet] ?? 0))]));
  for (const { fleet, to } of left) {
    const moved = open.get(fleet) ?? 0;
    const all = to.reduce((sum, share) => sum + share.tasks, 0);
    open.set(fleet, 0);
    // Rounded up: a task too many costs a machine's look, one too few would wait for ever.
    for (const share of to) {
      const part = all > 0 ? Math.ceil((moved * share.tasks) / all) : 0;
      open.set(share.fleet, (open.get(share.fleet) ?? 0) + part);
    }
  }
  return open;
}

/** The placement without that fleet, whose tasks go where `to` says. */
export function leaveFleet(placement: Placement, left: LeftFleet, reasons: readonly string[]): Placement {
  return {
    ...placement,
    left: [...placement.left, left],
    reasons: [...placement.reasons, ...reasons].slice(-MOST_REASONS),
    at: left.at,
  };
}
/** Enough for the first ones and those of every fleet that was left. */
const MOST_REASONS = 60;

/** Where the task of that rank is after the first `entries` fleets were left. */
function placeIn({ shares, left }: Placement, rank: number, entries: number): string {
  const tasks = new Map(shares.map((share) => [share.fleet, share.tasks]));
  let { fleet, offset } = cut(shares, rank);
  for (const entry of left.slice(0, entries)) {
    if (entry.fleet === fleet) {
      const next = cut(entry.to, offset);
      // What is new to a fleet comes after what it had.
      offset = (tasks.get(next.fleet) ?? 0) + next.offset;
      fleet = next.fleet;
    }
    moveAll(tasks, entry.fleet, entry.to);
  }
  return fleet;
}

/** The share in which a place lies, and where in it. */
function cut(shares: readonly Share[], place: number): { fleet: string; offset: number } {
  let before = 0;
  let last = { fleet: '', offset: 0 };
  for (const { fleet, tasks } of shares) {
    if (tasks === 0) continue;
    last = { fleet, offset: place - before };
    if (place < before + tasks) return last;
    before += tasks;
  }
  return last;
}

/**
 * A task's rank among all tasks of its job: one to one, and the tasks of each chunk lie at even distances. All chunks are
 * walked together, column by column; the last one, which may be shorter, has a task in some of the columns.
 */
export function rankOf(index: number, taskCount: number): number {
  const full = Math.floor(taskCount / CHUNK_SIZE);
  const rest = taskCount - full * CHUNK_SIZE;
  const chunk = Math.floor(index / CHUNK_SIZE);
  const isLast = chunk === full;
  const place = scattered(index - chunk * CHUNK_SIZE, isLast ? rest : CHUNK_SIZE);
  if (isLast) return (Math.floor((place * CHUNK_SIZE) / rest) + 1) * full + place;
  return place * full + Math.ceil((place * rest) / CHUNK_SIZE) + chunk;
}

/** Neighbours come to lie far apart: steps by the golden ratio, one to one because step and length share no divisor. */
function scattered(index: number, length: number): number {
  let step = Math.max(1, Math.round(length * 0.618_034));
  while (divisor(step, length) !== 1) step += 1;
  return (index * step) % length;
}

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
