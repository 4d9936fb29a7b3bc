/** The last step of a job: derives its outcome from its counters and fences them. Safe to repeat. */
import { withCancelledJob } from '../../core/control-document.ts';
import { taskCounts } from '../../core/counters.ts';
import { PermanentError } from '../../core/errors.ts';
import { isClosed, type JobStatus } from '../../core/job.ts';
import { type FinishCause, outcomeOf } from '../../core/job-outcome.ts';
import type { Clock, ControlChannel, JobStore } from '../../core/ports.ts';

export interface FinishPorts {
  readonly jobs: JobStore;
  readonly control: ControlChannel;
  readonly clock: Clock;
}

/** @throws PermanentError when there is no such job */
export async function finishJob(
  jobId: string,
  cause: FinishCause,
  error: string | undefined,
  ports: FinishPorts,
): Promise<{ status: JobStatus; closedNow: boolean }> {
  const progress = await ports.jobs.progress(jobId);
  if (!progress) throw new PermanentError('the job does not exist', { context: { jobId } });
  const { job, counters } = progress;
  if (isClosed(job.status)) return { status: job.status, closedNow: false };
  const now = ports.clock.now();
  const { completed, failed } = taskCounts(job.taskCount, counters, true);
  if (completed + failed < job.taskCount) {
    // Machines may still hold its tasks: they must hear that nobody waits for them. First stop the cost, then report.
    await ports.control.update(job.fleet, (document) => withCancelledJob(document, jobId, now));
  }
  const outcome = outcomeOf(job, counters, cause, error);
  if (await ports.jobs.close(jobId, outcome, now)) return { status: outcome.status, closedNow: true };
  // Another run closed it in the meantime: what that one wrote holds.
  const closed = await ports.jobs.progress(jobId);
  return { status: closed?.job.status ?? outcome.status, closedNow: false };
}
