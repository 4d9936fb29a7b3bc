/** A task as its user should see it, whether it has a row or not. */

import { taskIdOf } from './ids.ts';
import { isClosed, type Job } from './job.ts';
import { isTerminal, type TaskRecord, untouchedTask } from './task.ts';

/** A task without a row is PENDING; in a closed job whatever did not end by itself is cancelled. */
export function taskAsSeen(
  job: Pick<Job, 'jobId' | 'status' | 'finishedAt'>,
  index: number,
  row: TaskRecord | undefined,
): TaskRecord {
  const task = row ?? untouchedTask({ taskId: taskIdOf(job.jobId, index) });
  if (!isClosed(job.status) || isTerminal(task.status)) return task;
  return { ...task, status: 'CANCELLED', finishedAt: job.finishedAt };
}
