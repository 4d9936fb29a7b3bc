/** What a report leads to: the parts of a decision on a task, and the pieces that its rules (apply-status.ts) put together. */
import { type AttemptSums, type CounterDelta, deltaOf } from './counters.ts';
import type { RetryPolicy } from './job-submission.ts';
import type { TaskEvent } from './messages.ts';
import type { TaskRecord, TaskStatus } from './task.ts';
import type { TaskReport } from './task-report.ts';

/** What of the job matters to one of its tasks. */
export interface JobRules {
  readonly retry: RetryPolicy;
  readonly cancelling: boolean;
  readonly closed: boolean;
}

/** What a decision needs beside task, report and job. */
export interface ReportContext {
  readonly now: Date;
  /** A number in [0, 1), for the jitter of a backoff. */
  readonly random: number;
  /** A task's share of the price of a machine, `null` when it is not known. */
  readonly usdPerSecond: (instanceId: string | null) => number | null;
}

/** An attempt to be sent after it is recorded and before the report is acknowledged. */
export interface NextAttempt {
  readonly taskId: string;
  readonly attempt: number;
  /** Not to start before; `null`: now. */
  readonly dueAt: string | null;
  /** The blob where it goes on. */
  readonly checkpoint: string | null;
}

export type Transition =
  | {
      readonly kind: 'applied';
      readonly task: TaskRecord;
      readonly delta: CounterDelta;
      readonly send: NextAttempt | null;
    }
  | { readonly kind: 'resend'; readonly send: NextAttempt }
  | { readonly kind: 'duplicate' }
  /** `task` is the row with the report as evidence, `null` when there is no room or no row for it. */
  | { readonly kind: 'stale'; readonly reason: string; readonly task: TaskRecord | null }
  | { readonly kind: 'returned'; readonly reason: string };

/** A row, as it is or would be without one, and what a decision on it may ask. */
export interface Situation {
  readonly row: TaskRecord | undefined;
  readonly current: TaskRecord;
  readonly job: JobRules;
  readonly context: ReportContext;
}

export type Change = Partial<TaskRecord> & { readonly status: TaskStatus };

/** One write of the row, and what it does to the counters. */
export function write(
  { row, current, context }: Situation,
  change: Change,
  sums: Partial<AttemptSums> = {},
  send: NextAttempt | null = null,
): Extract<Transition, { kind: 'applied' }> {
  const task = { ...current, ...change, updatedAt: context.now.toISOString(), version: row ? row.version + 1 : 1 };
  return { kind: 'applied', task, delta: deltaOf(current.status, change.status, sums), send };
}

/** So many stale reports are kept on a task. */
const MAX_STALE_REPORTS = 10;

/** The report changes nothing; where there is a row and room, it is kept there. */
export function stale({ row, context }: Situation, report: TaskReport, reason: string): Transition {
  if (!row || !('leaseId' in report)) return { kind: 'stale', reason, task: null };
  const { kind, attempt, leaseId, instanceId, at } = report;
  const isRecorded = row.staleReports.some((each) => each.kind === kind && each.leaseId === leaseId);
  if (isRecorded || row.staleReports.length >= MAX_STALE_REPORTS) return { kind: 'stale', reason, task: null };
  const staleReports = [...row.staleReports, { kind, attempt, leaseId, instanceId, at, reason }];
  return {
    kind: 'stale',
    reason,
    task: { ...row, staleReports, updatedAt: context.now.toISOString(), version: row.version + 1 },
  };
}

/** The attempt that a waiting task waits for. */
export const attemptOf = ({ taskId, attempt, dueAt, checkpoint }: TaskRecord): NextAttempt => ({
  taskId,
  attempt,
  dueAt,
  checkpoint: checkpoint?.blob ?? null,
});

export const leaseOf = (event: TaskEvent): Pick<TaskRecord, 'leaseId' | 'receiveCount' | 'instanceId'> => ({
  leaseId: event.leaseId,
  receiveCount: event.receiveCount,
  instanceId: event.instanceId,
});

/** Nobody holds it, and any delivery of it may be the next to run: also the first of another message. */
export const UNLEASED = {
  leaseId: null,
  instanceId: null,
  receiptHandle: null,
  startedAt: null,
  receiveCount: 0,
} as const;
/** What a task that has ended needs no more. */
export const SETTLED = { receiptHandle: null, dueAt: null, checkpoint: null } as const;
