/** When a job is done, and how it ended: derived from its counters alone. */
import { type Counters, taskCounts } from './counters.ts';
import type { Job, JobStatus } from './job.ts';

/** Why the state machine goes on to its last step. */
export type FinishCause = 'settled' | 'cancelled' | 'timed-out' | 'error';

/**
 * Whether nothing more will happen to the job: every task is terminal, or it is being cancelled and nothing runs.
 */
export function isSettled(job: Pick<Job, 'status' | 'taskCount'>, counters: Counters): boolean {
  const { completed, failed, cancelled, running } = counters;
  if (completed + failed + cancelled >= job.taskCount) return true;
  return job.status === 'CANCELLING' && running === 0;
}

export interface JobOutcome {
  readonly status: Extract<JobStatus, 'COMPLETED' | 'FAILED' | 'CANCELLED'>;
  readonly reason: string | null;
}

const tasks = (count: number): string => `${count} ${count === 1 ? 'task' : 'tasks'}`;

/**
 * COMPLETED when every task is terminal and at most `allowedFailures` failed. A job whose every task ended is judged by
 * its tasks even if it was being cancelled or ran out of time in the same moment.
 * @param error what went wrong, when `cause` is `error`
 */
export function outcomeOf(
  job: Pick<Job, 'status' | 'taskCount' | 'allowedFailures' | 'maxDurationSeconds'>,
  counters: Counters,
  cause: FinishCause,
  error?: string,
): JobOutcome {
  const counts = taskCounts(job.taskCount, counters, true);
  if (counts.completed + counts.failed === job.taskCount) {
    if (counts.failed <= job.allowedFailures) {
      return {
        status: 'COMPLETED',
        reason: counts.failed ? `${counts.failed} of ${tasks(job.taskCount)} failed, as allowed` : null,
      };
    }
    return {
      status: 'FAILED',
      reason: `${counts.failed} of ${tasks(job.taskCount)} failed, ${job.allowedFailures} allowed`,
    };
  }
  if (job.status === 'CANCELLING' || cause === 'cancelled') {
    return { status: 'CANCELLED', reason: `cancelled with ${counts.completed} of ${tasks(job.taskCount)} completed` };
  }
  const done = `${counts.completed + counts.failed} of ${tasks(job.taskCount)} done`;
  if (cause === 'timed-out') {
    return { status: 'FAILED', reason: `not finished within ${job.maxDurationSeconds} s: ${done}` };
  }
  return { status: 'FAILED', reason: `${error ?? 'stopped before every task ended'}: ${done}` };
}
