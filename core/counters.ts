/** What a job counts. Stored in shards, changed only together with task rows; `pending` is derived, never stored. */
import type { TaskStatus } from './task.ts';

/** A job's counter lies in so many items, so that concurrent transactions seldom meet on one. */
export const COUNTER_SHARDS = 8;

export interface Counters {
  readonly running: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Seconds of work in completed attempts: with `completed`, the measured seconds a task. */
  readonly completedSeconds: number;
  /** What all attempts that have ended cost, as far as their machines' prices are known. */
  readonly costUsd: number;
  /** The part of it that brought no result: interruptions, lost machines, failures that were tried again. */
  readonly lostSeconds: number;
  readonly lostUsd: number;
  /**
   * Of a job over several fleets: tasks that have ended, by the fleet that had them at first. They change with the others, in
   * the same write, and tell what each fleet has open.
   */
  readonly endedByFleet?: Readonly<Record<string, number>>;
}

/** A change of counters; the same shape, its numbers may be negative. */
export type CounterDelta = Counters;

export const zeroCounters: Counters = {
  running: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  completedSeconds: 0,
  costUsd: 0,
  lostSeconds: 0,
  lostUsd: 0,
};

export const addCounters = (a: Counters, b: Counters): Counters => ({
  ...addEnded(a.endedByFleet, b.endedByFleet),
  running: a.running + b.running,
  completed: a.completed + b.completed,
  failed: a.failed + b.failed,
  cancelled: a.cancelled + b.cancelled,
  completedSeconds: a.completedSeconds + b.completedSeconds,
  costUsd: a.costUsd + b.costUsd,
  lostSeconds: a.lostSeconds + b.lostSeconds,
  lostUsd: a.lostUsd + b.lostUsd,
});

type EndedByFleet = NonNullable<Counters['endedByFleet']>;

function addEnded(a: EndedByFleet | undefined, b: EndedByFleet | undefined): Pick<Counters, 'endedByFleet'> {
  if (!a || !b) return a || b ? { endedByFleet: { ...a, ...b } } : {};
  const fleets = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return { endedByFleet: Object.fromEntries(fleets.map((fleet) => [fleet, (a[fleet] ?? 0) + (b[fleet] ?? 0)])) };
}

const COUNTED = {
  PENDING: null,
  RUNNING: 'running',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
} as const satisfies Record<TaskStatus, keyof Counters | null>;

/** What an attempt adds to the sums when it ends. */
export type AttemptSums = Pick<Counters, 'completedSeconds' | 'costUsd' | 'lostSeconds' | 'lostUsd'>;

/** How the counters change when a task goes from one status to another. */
export function deltaOf(from: TaskStatus, to: TaskStatus, sums: Partial<AttemptSums> = {}): CounterDelta {
  const delta = { ...zeroCounters, ...sums };
  if (from === to) return delta;
  const left = COUNTED[from];
  const entered = COUNTED[to];
  if (left) delta[left] -= 1;
  if (entered) delta[entered] += 1;
  return delta;
}

/** What users see: every task in exactly one place. */
export interface TaskCounts {
  readonly pending: number;
  readonly running: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
}

/** Counts every task once. In a closed job whatever did not end by itself is cancelled. */
export function taskCounts(taskCount: number, counters: Counters, jobClosed: boolean): TaskCounts {
  const { running, completed, failed, cancelled } = counters;
  if (jobClosed) {
    return { pending: 0, running: 0, completed, failed, cancelled: taskCount - completed - failed };
  }
  return { pending: taskCount - running - completed - failed - cancelled, running, completed, failed, cancelled };
}
