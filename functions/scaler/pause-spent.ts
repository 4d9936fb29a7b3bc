/** Pauses jobs that have spent their budget: the row first, then the machines; a run that died in between is made good. */
import { inParallel } from '../../adapters/in-parallel.ts';
import { whyPause } from '../../core/budget.ts';
import { isJobPaused, withPausedJob } from '../../core/control-document.ts';
import type { Clock, ControlChannel, JobProgress, JobStore } from '../../core/ports.ts';

export interface PausePorts {
  readonly jobs: JobStore;
  readonly control: ControlChannel;
  readonly clock: Clock;
  /** Told when one job could not be paused; the others are, and this one at the next look. */
  readonly onFleetFailed: (fleet: string, error: unknown) => void;
}

const JOBS_AT_ONCE = 4;

/** @returns the jobs as they are now */
export async function pauseSpent(jobs: readonly JobProgress[], ports: PausePorts): Promise<readonly JobProgress[]> {
  return inParallel(jobs, JOBS_AT_ONCE, (progress) =>
    pauseIfSpent(progress, ports).catch((error: unknown) => {
      ports.onFleetFailed(progress.job.fleet, error);
      return progress;
    }),
  );
}

async function pauseIfSpent(progress: JobProgress, ports: PausePorts): Promise<JobProgress> {
  const { job, counters } = progress;
  const reason = whyPause(job, counters);
  const pausedNow = reason !== null && (await ports.jobs.pause(job.jobId, 'budget', reason));
  if (!pausedNow && job.status !== 'PAUSED') return progress;
  await ports.control.update(job.fleet, (document) =>
    isJobPaused(document, job.jobId) ? document : withPausedJob(document, job.jobId, ports.clock.now()),
  );
  return pausedNow
    ? { job: { ...job, status: 'PAUSED', statusReason: reason, pausedFor: 'budget' }, counters }
    : progress;
}
