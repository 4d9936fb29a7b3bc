/**
 * Cancels a job: mark it → tell its machines → let its execution go on. Pending tasks need no write: a task without a
 * row is cancelled once its job is. Asked again, it does the later steps again, so that a run that died is made good.
 */
import { withCancelledJob } from '../../core/control-document.ts';
import { NotFoundError } from '../../core/errors.ts';
import type { JobStatus } from '../../core/job.ts';
import type { Clock, ControlChannel, JobMachine, JobStore } from '../../core/ports.ts';
import { tellFleets } from '../tell-fleets.ts';

export interface CancelPorts {
  readonly jobs: JobStore;
  readonly control: ControlChannel;
  readonly machine: JobMachine;
  readonly clock: Clock;
}

/**
 * @returns the job's status now: CANCELLING, or the terminal one that it had already
 * @throws NotFoundError when there is no such job
 */
export async function cancelJob(jobId: string, ports: CancelPorts): Promise<{ jobId: string; status: JobStatus }> {
  await ports.jobs.requestCancel(jobId);
  const progress = await ports.jobs.progress(jobId);
  if (!progress) throw new NotFoundError('there is no such job', { context: { jobId } });
  const { status, taskToken, awaits } = progress.job;
  if (status === 'CANCELLING') {
    await tellFleets(progress.job, ports.control, (document) => withCancelledJob(document, jobId, ports.clock.now()));
    // The second wait, for the machines, is not cut short by being asked again.
    if (taskToken && awaits === 'completion') await ports.machine.signal(taskToken, 'cancelling');
  }
  return { jobId, status };
}
