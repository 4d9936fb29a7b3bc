/** The last step of a job: derives its outcome from its counters, fenced if tasks are left. Safe to repeat. */
import { withCancelledJob } from '../../core/control-document.ts';
import { PermanentError } from '../../core/errors.ts';
import { isClosed, type JobStatus } from '../../core/job.ts';
import { allEnded, type FinishCause, outcomeOf } from '../../core/job-outcome.ts';
import type { Clock, ControlChannel, JobProgress, JobStore } from '../../core/ports.ts';
import { tellFleets } from '../tell-fleets.ts';

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
  if (isClosed(progress.job.status)) return { status: progress.job.status, closedNow: false };
  const now = ports.clock.now();
  const { job, counters } = allEnded(progress.job, progress.counters)
    ? progress
    : await stopTasks(progress, now, ports);
  const outcome = outcomeOf(job, counters, cause, error);
  if (await ports.jobs.close(jobId, outcome, now)) return { status: outcome.status, closedNow: true };
  // Another run closed it in the meantime: what that one wrote holds.
  const closed = await ports.jobs.progress(jobId);
  return { status: closed?.job.status ?? outcome.status, closedNow: false };
}

/**
 * Machines may still hold tasks: they must hear that nobody waits for them. First stop the cost, then judge; and judge
 * only by counters that can change no more.
 */
async function stopTasks({ job }: JobProgress, now: Date, { jobs, control }: FinishPorts): Promise<JobProgress> {
  await tellFleets(job, control, (document) => withCancelledJob(document, job.jobId, now));
  await jobs.fence(job.jobId, now);
  const fenced = await jobs.progress(job.jobId);
  if (!fenced) throw new PermanentError('the job does not exist', { context: { jobId: job.jobId } });
  return fenced;
}
