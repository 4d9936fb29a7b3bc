/** Pauses jobs that have spent their budget: the row first, then the machines; a run that died in between is made good. */
import { inParallel } from '../../adapters/in-parallel.ts';
import { whyPause } from '../../core/budget.ts';
import { type ControlDocument, withoutPausedJob, withPauseOf } from '../../core/control-document.ts';
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
  const now = await inParallel(jobs, JOBS_AT_ONCE, (progress) =>
    pauseIfSpent(progress, ports).catch((error: unknown) => {
      ports.onFleetFailed(progress.job.fleet, error);
      return progress;
    }),
  );
  const fleets = [...Map.groupBy(now, ({ job }) => job.fleet)];
  await inParallel(fleets, JOBS_AT_ONCE, ([fleet, ofFleet]) =>
    tellMachines(fleet, ofFleet, ports).catch((error: unknown) => ports.onFleetFailed(fleet, error)),
  );
  return now;
}

async function pauseIfSpent(progress: JobProgress, { jobs }: PausePorts): Promise<JobProgress> {
  const { job, counters } = progress;
  const reason = whyPause(job, counters);
  if (reason === null || !(await jobs.pause(job.jobId, 'budget', reason))) return progress;
  return { job: { ...job, status: 'PAUSED', statusReason: reason, pausedFor: 'budget' }, counters };
}

/**
 * The control document says what the rows say, in both directions: whoever paused a job, or let it go on, may have died
 * before it could tell, or been overtaken by one that had read the row before. A job that goes on and is paused for its
 * machines only would never end, and they would start, give its tasks back and end for as long as it lasts.
 */
async function tellMachines(
  fleet: string,
  jobs: readonly JobProgress[],
  { control, clock }: PausePorts,
): Promise<void> {
  const now = clock.now();
  const told = (document: ControlDocument): ControlDocument =>
    jobs.reduce(
      (said, { job }) => withPauseOf(said, job, now),
      leftovers(document, jobs, now).reduce(withoutPausedJob, document),
    );
  const read = await control.read(fleet);
  if (read.kind === 'document' && told(read.document) === read.document) return;
  await control.update(fleet, told);
}

/** A job that was paused lately may not be among the open ones that were read. */
const LATELY_MS = 600_000;

/** Entries of jobs that have ended. */
const leftovers = ({ pausedJobs }: ControlDocument, jobs: readonly JobProgress[], now: Date): string[] =>
  pausedJobs
    .filter(({ jobId, at }) => {
      const isOpen = jobs.some(({ job }) => job.jobId === jobId);
      return !isOpen && now.getTime() - Date.parse(at) > LATELY_MS;
    })
    .map(({ jobId }) => jobId);
