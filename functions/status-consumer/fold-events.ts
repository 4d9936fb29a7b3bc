/** Many events, one change a task: folds the reports of one job over its rows. Pure. */
import { applyStatus, type JobRules, type NextAttempt } from '../../core/apply-status.ts';
import { addCounters, type CounterDelta, zeroCounters } from '../../core/counters.ts';
import type { TaskEvent } from '../../core/messages.ts';
import type { TaskWrite } from '../../core/ports.ts';
import type { TaskRecord } from '../../core/task.ts';
import type { Delivered } from './read-messages.ts';

export interface FoldedTask {
  readonly taskId: string;
  readonly events: readonly Delivered<TaskEvent>[];
  /** Absent when nothing changes. */
  readonly write: TaskWrite | null;
  readonly delta: CounterDelta;
  /** To be sent once the write is committed. */
  readonly send: NextAttempt | null;
  readonly stale: readonly { readonly event: TaskEvent; readonly reason: string }[];
  /** Records that must come back, because they speak of an attempt not seen yet. */
  readonly returned: readonly string[];
}

/** Folds all events of one task over its row. */
export function foldTask(
  taskId: string,
  events: readonly Delivered<TaskEvent>[],
  row: TaskRecord | undefined,
  job: JobRules,
  random: () => number,
): FoldedTask {
  let task = row;
  let delta = zeroCounters;
  let send: NextAttempt | null = null;
  const stale: { event: TaskEvent; reason: string }[] = [];
  const returned: string[] = [];
  for (const { event, messageId } of inOrder(events)) {
    const transition = applyStatus(task, event, job, random());
    switch (transition.kind) {
      case 'applied':
        task = transition.task;
        delta = addCounters(delta, transition.delta);
        send = transition.send ?? (isWaiting(task, send) ? send : null);
        break;
      case 'resend':
        send = transition.send;
        break;
      case 'stale':
        stale.push({ event, reason: transition.reason });
        break;
      case 'returned':
        returned.push(messageId);
        break;
    }
  }
  return { taskId, events, write: writeOf(row, task), delta, send, stale, returned };
}

/** Folding may have passed through several versions; only one write happens. */
const writeOf = (before: TaskRecord | undefined, after: TaskRecord | undefined): TaskWrite | null =>
  after === undefined || after === before
    ? null
    : { task: { ...after, version: (before?.version ?? 0) + 1 }, previousVersion: before?.version ?? null };

/** Attempts in order, and a start before its end: messages of one agent may overtake each other. */
const inOrder = (events: readonly Delivered<TaskEvent>[]): readonly Delivered<TaskEvent>[] =>
  events.length < 2 ? events : [...events].sort((a, b) => rank(a.event) - rank(b.event));

const rank = (event: TaskEvent): number => event.attempt * 2 + (event.kind === 'started' ? 0 : 1);

/** Whether the attempt to be sent is still the one the task waits for. */
const isWaiting = (task: TaskRecord, send: NextAttempt | null): boolean =>
  task.status === 'PENDING' && send?.attempt === task.attempt;
