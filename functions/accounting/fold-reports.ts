/** Many reports, one change a task: folds the reports on one job over its rows. Pure. */
import { applyStatus } from '../../core/apply-status.ts';
import { addCounters, type CounterDelta, zeroCounters } from '../../core/counters.ts';
import type { TaskWrite } from '../../core/ports.ts';
import type { TaskRecord } from '../../core/task.ts';
import type { TaskReport } from '../../core/task-report.ts';
import type { JobRules, NextAttempt, ReportContext } from '../../core/transition.ts';

/** A report and the record that brought it, which must come back if the report cannot be handled now. */
export interface Delivered<Report> {
  readonly event: Report;
  readonly messageId: string;
  /** It may be applied already. */
  readonly redelivered: boolean;
}

export interface FoldedTask {
  readonly taskId: string;
  readonly events: readonly Delivered<TaskReport>[];
  /** Absent when nothing changes. */
  readonly write: TaskWrite | null;
  readonly delta: CounterDelta;
  /** To be sent once the write is committed. */
  readonly send: NextAttempt | null;
  readonly stale: readonly { readonly event: TaskReport; readonly reason: string }[];
  /** Whether a counter may change; evidence alone changes none. */
  readonly counts: boolean;
  /** Reports whose records must come back, because they speak of an attempt not seen yet. */
  readonly returned: readonly Delivered<TaskReport>[];
}

/** Folds all events of one task over its row. */
export function foldTask(
  taskId: string,
  events: readonly Delivered<TaskReport>[],
  row: TaskRecord | undefined,
  job: JobRules,
  context: () => ReportContext,
): FoldedTask {
  let task = row;
  let counts = false;
  let delta = zeroCounters;
  let send: NextAttempt | null = null;
  const stale: { event: TaskReport; reason: string }[] = [];
  const returned: Delivered<TaskReport>[] = [];
  for (const delivered of inOrder(events)) {
    const { event } = delivered;
    const transition = applyStatus(task, event, job, context());
    switch (transition.kind) {
      case 'applied':
        task = transition.task;
        counts = true;
        delta = addCounters(delta, transition.delta);
        send = transition.send ?? (isWaiting(task, send) ? send : null);
        break;
      case 'resend':
        send = transition.send;
        break;
      case 'stale':
        stale.push({ event, reason: transition.reason });
        task = transition.task ?? task;
        break;
      case 'returned':
        returned.push(delivered);
        break;
      case 'duplicate':
        break;
    }
  }
  return { taskId, events, write: writeOf(row, task), delta, counts, send, stale, returned };
}

/** Folding may have passed through several versions; only one write happens. */
const writeOf = (before: TaskRecord | undefined, after: TaskRecord | undefined): TaskWrite | null =>
  after === undefined || after === before
    ? null
    : { task: { ...after, version: (before?.version ?? 0) + 1 }, previousVersion: before?.version ?? null };

/** Attempts in order, and a start before its end: messages of one agent may overtake each other. */
const inOrder = (events: readonly Delivered<TaskReport>[]): readonly Delivered<TaskReport>[] =>
  events.length < 2 ? events : [...events].sort((a, b) => rank(a.event) - rank(b.event));

const rank = (event: TaskReport): number =>
  event.kind === 'cancel-requested' ? 0 : event.attempt * 2 + (event.kind === 'started' ? 0 : 1);

/** Whether the attempt to be sent is still the one the task waits for. */
const isWaiting = (task: TaskRecord, send: NextAttempt | null): boolean =>
  task.status === 'PENDING' && send?.attempt === task.attempt;
