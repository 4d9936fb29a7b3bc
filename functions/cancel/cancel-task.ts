/**
 * Cancels one task: record it → tell its machines. Recorded first, because a machine that hears of it stops the task and
 * gives it back, and only a task that is marked ends by that. Asked again, it does the later step again.
 */
import { isTaskCancelled, withCancelledTask } from '../../core/control-document.ts';
import { NotFoundError } from '../../core/errors.ts';
import { type TaskPosition, taskIdOf } from '../../core/ids.ts';
import { isClosed } from '../../core/job.ts';
import type { ControlChannel } from '../../core/ports.ts';
import { isTerminal, type TaskRecord, type TaskStatus } from '../../core/task.ts';
import { taskAsSeen } from '../../core/task-as-seen.ts';
import { type ApplyPorts, applyReports } from '../accounting/apply-reports.ts';
import { tellFleets } from '../tell-fleets.ts';

export interface CancelTaskPorts extends ApplyPorts {
  readonly control: ControlChannel;
}

export interface CancelledTask {
  readonly taskId: string;
  readonly jobId: string;
  readonly status: TaskStatus;
  /** Its machine was told, or will see it: the task ends as CANCELLED unless it completes first. */
  readonly cancelRequested: boolean;
}

/**
 * @returns the task as it is now, and whether it had ended before
 * @throws NotFoundError when there is no such task; TransientError when the task stays contended
 */
export async function cancelTask(
  { jobId, index }: TaskPosition,
  ports: CancelTaskPorts,
): Promise<{ task: CancelledTask; hadEnded: boolean }> {
  const taskId = taskIdOf(jobId, index);
  const progress = await ports.jobs.progress(jobId);
  if (!progress || index >= progress.job.taskCount) {
    throw new NotFoundError('there is no such task', { context: { taskId } });
  }
  const { job } = progress;
  const seen = async (): Promise<TaskRecord> => {
    const rows = await ports.tasks.getMany([taskId]);
    return taskAsSeen(job, index, rows.get(taskId));
  };
  const before = await seen();
  const hadEnded = isTerminal(before.status);
  if (!hadEnded) {
    const event = { kind: 'cancel-requested', taskId, jobId, at: ports.clock.now().toISOString() } as const;
    await applyReports(progress, [{ event, messageId: taskId, redelivered: true }], ports);
  }
  const task = hadEnded ? before : await seen();
  if (task.cancelRequested && !isClosed(job.status)) {
    await tellFleets(job, ports.control, (document) =>
      isTaskCancelled(document, taskId) ? document : withCancelledTask(document, taskId, ports.clock.now()),
    );
  }
  const { status, cancelRequested } = task;
  return { task: { taskId, jobId, status, cancelRequested }, hadEnded };
}
