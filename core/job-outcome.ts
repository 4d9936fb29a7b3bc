/** When a job is done, and how it ended: derived from its counters alone. */
import { counted } from './counted.ts';
import { type Counters, type TaskCounts, taskCounts } from './counters.ts';
import type { Job, JobStatus } from './job.ts';
import { isHopeless } from './machine-trouble.ts';

/** Why the state machine goes on to its last step. */
export type FinishCause = 'settled' | 'cancelled' | 'timed-out' | 'error';

/**
 * Whether nothing more will happen to the job: every task is terminal, it is being cancelled and nothing runs, or no
 * machine can run its tasks.
 */
export function isSettled(job: Pick<Job, 'status' | 'taskCount' | 'problem'>, counters: Counters): boolean {
  if (allEnded(job, counters)) return true;
  return job.status === 'CANCELLING' ? counters.running === 0 : isHopeless(job.problem, counters);
}

export interface JobOutcome {
  readonly status: Extract<JobStatus, 'COMPLETED' | 'FAILED' | 'CANCELLED'>;
  readonly reason: string | null;
}

/** Whether every task came to an end of its own: completed, failed, or cancelled singly. */
export const allEnded = ({ taskCount }: Pick<Job, 'taskCount'>, { completed, failed, cancelled }: Counters): boolean =>
  completed + failed + cancelled >= taskCount;

/**
 * COMPLETED when every task is terminal and at most `allowedFailures` failed. A job whose every task ended is judged by
 * its tasks even if it was being cancelled or ran out of time in the same moment. A task that was cancelled singly is
 * neither a failure nor a completion: its job is judged by the others, and is CANCELLED when there are none.
 * @param error what went wrong, when `cause` is `error`
 */
export function outcomeOf(
  job: Pick<Job, 'status' | 'taskCount' | 'allowedFailures' | 'maxDurationSeconds' | 'problem'>,
  counters: Counters,
  cause: FinishCause,
  error?: string,
): JobOutcome {
  const counts = taskCounts(job.taskCount, counters, true);
  const cancelling = job.status === 'CANCELLING' || cause === 'cancelled';
  if (allEnded(job, counters) && !(cancelling && counts.cancelled > 0)) return judge(job, counts);
  if (cancelling) {
    return {
      status: 'CANCELLED',
      reason: `cancelled with ${counts.completed} of ${counted(job.taskCount, 'task')} completed`,
    };
  }
  const done = `${counts.completed + counts.failed} of ${counted(job.taskCount, 'task')} done`;
  if (cause === 'timed-out') {
    return { status: 'FAILED', reason: `not finished within ${job.maxDurationSeconds} s: ${done}` };
  }
  if (cause === 'settled' && job.problem?.hopeless) {
    const { count, reason } = job.problem;
    return { status: 'FAILED', reason: `given up, machines failed ${count} times in a row: ${reason}: ${done}` };
  }
  return { status: 'FAILED', reason: `${error ?? 'stopped before every task ended'}: ${done}` };
}

/** Of a job whose every task ended. */
function judge(
  job: Pick<Job, 'taskCount' | 'allowedFailures' | 'problem'>,
  { completed, failed, cancelled }: TaskCounts,
): JobOutcome {
  const of = `of ${counted(job.taskCount, 'task')}`;
  if (completed + failed === 0) return { status: 'CANCELLED', reason: 'every task was cancelled' };
  const verdict = failed > job.allowedFailures ? 'FAILED' : 'COMPLETED';
  const allowed = verdict === 'FAILED' ? `${job.allowedFailures} allowed` : 'as allowed';
  const reasons = [
    ...(failed > 0 ? [`${failed} ${of} failed, ${allowed}${because(job, failed)}`] : []),
    ...(cancelled > 0 ? [`${cancelled} ${of} cancelled`] : []),
  ];
  return { status: verdict, reason: reasons.join('; ') || null };
}

/** Where every task failed, and the last of them because machines gave it back too often: what those said. */
function because({ taskCount, problem }: Pick<Job, 'taskCount' | 'problem'>, failed: number): string {
  const isLast = problem !== null && problem.taskId !== null && problem.count > 0 && problem.tasksEnded === taskCount;
  if (failed < taskCount || !isLast) return '';
  return `, ${taskCount > 1 ? 'the last ' : ''}because ${problem.reason}`;
}
