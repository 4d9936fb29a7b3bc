/**
 * Counters against rows. Both change in one transaction, so that they are equal whenever no report is in flight: whoever
 * doubts it can count for themselves. Pure.
 */
import { z } from 'zod';
import type { Counters } from './counters.ts';
import { isTerminal, type StaleReport, type TaskRecord } from './task.ts';

const count = z.int().nonnegative();
const sum = z.number().nonnegative();

/** What rows say, counted; the same shape as what the counters say. A task without a row counts nowhere. */
export const talliesSchema = z.object({
  running: count,
  completed: count,
  failed: count,
  cancelled: count,
  completedSeconds: sum,
  costUsd: sum,
});
export type Tallies = z.infer<typeof talliesSchema>;

const NAMES = ['running', 'completed', 'failed', 'cancelled', 'completedSeconds', 'costUsd'] as const;

/** Tallies from a number for each of their names. */
const tallies = (of: (name: keyof Tallies) => number): Tallies => ({
  running: of('running'),
  completed: of('completed'),
  failed: of('failed'),
  cancelled: of('cancelled'),
  completedSeconds: of('completedSeconds'),
  costUsd: of('costUsd'),
});

export const zeroTallies: Tallies = tallies(() => 0);

export const addTallies = (a: Tallies, b: Tallies): Tallies => tallies((name) => a[name] + b[name]);

export const talliesOfCounters = (counters: Counters): Tallies => tallies((name) => counters[name]);

export function talliesOfRows(rows: readonly TaskRecord[]): Tallies {
  const having = (status: TaskRecord['status']): number => rows.filter((row) => row.status === status).length;
  const attempts = rows.flatMap((row) => row.attempts);
  const completed = attempts.filter(({ outcome }) => outcome === 'completed');
  return {
    running: having('RUNNING'),
    completed: having('COMPLETED'),
    failed: having('FAILED'),
    cancelled: having('CANCELLED'),
    completedSeconds: completed.reduce((total, { seconds }) => total + seconds, 0),
    costUsd: attempts.reduce((total, { costUsd = 0 }) => total + costUsd, 0),
  };
}

export interface Difference {
  readonly of: keyof Tallies;
  readonly counters: number;
  readonly rows: number;
}

/** Sums of fractions are not exact in the order in which they are summed: they may differ by a millionth. */
const isSame = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a));

/** Where the two do not agree; empty when they do. */
export const differencesOf = (counters: Tallies, rows: Tallies): readonly Difference[] =>
  NAMES.filter((name) => !isSame(counters[name], rows[name])).map((name) => ({
    of: name,
    counters: counters[name],
    rows: rows[name],
  }));

export interface Evidence {
  readonly staleReports: readonly (StaleReport & { readonly taskId: string })[];
  readonly lostLeases: readonly {
    readonly taskId: string;
    readonly attempt: number;
    readonly leaseId: string;
    readonly instanceId: string;
    readonly endedAt: string;
    readonly lostSeconds: number;
    readonly lostUsd: number | null;
    readonly reason: string | null;
  }[];
  /** Rows that contradict themselves. */
  readonly impossible: readonly { readonly taskId: string; readonly what: string }[];
}

/** Everything in these rows that did not go by the book. */
export function evidenceIn(rows: readonly TaskRecord[]): Evidence {
  return {
    staleReports: rows.flatMap(({ taskId, staleReports }) => staleReports.map((each) => ({ taskId, ...each }))),
    lostLeases: rows.flatMap(({ taskId, attempts }) =>
      attempts
        .filter(({ outcome }) => outcome === 'lost')
        .map(({ attempt, leaseId, instanceId, endedAt, seconds, costUsd, reason }) => ({
          taskId,
          attempt,
          leaseId,
          instanceId,
          endedAt,
          lostSeconds: seconds,
          lostUsd: costUsd ?? null,
          reason,
        })),
    ),
    impossible: rows.flatMap((row) => faultsIn(row).map((what) => ({ taskId: row.taskId, what }))),
  };
}

function faultsIn({ status, result, failure, finishedAt, attempts }: TaskRecord): string[] {
  const completions = attempts.filter(({ outcome }) => outcome === 'completed').length;
  return [
    ...(isTerminal(status) && finishedAt === null ? [`is ${status} since nobody knows when`] : []),
    ...(status === 'COMPLETED' && result === null ? ['is COMPLETED without a result'] : []),
    ...(status === 'FAILED' && failure === null ? ['is FAILED without a reason'] : []),
    ...(completions > 1 ? [`completed ${completions} times`] : []),
    ...(completions === 1 && status !== 'COMPLETED' ? [`completed, and is ${status}`] : []),
  ];
}
