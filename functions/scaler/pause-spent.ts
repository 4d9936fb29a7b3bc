/**
 * Pauses jobs that have spent their budget, and tells machines of it: the row first, then the machines; a run that died in
 * between is made good.
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import { endlessPatience, type Patience } from '../../adapters/patience.ts';
import { whyPause } from '../../core/budget.ts';
import { type ControlDocument, withLeftJob, withoutPausedJob, withPauseOf } from '../../core/control-document.ts';
import { fleetsNamed, fleetsWithTasks, hasLeft } from '../../core/placement.ts';
import type { Clock, ControlChannel, JobProgress, JobStore } from '../../core/ports.ts';

export interface PausePorts {
  readonly jobs: JobStore;
  readonly control: ControlChannel;
  readonly clock: Clock;
  /** With how much of it a tick waits for one fleet; without it, for as long as it takes. */
  readonly patience?: Patience;
  /** Told when one job could not be paused; the others are, and this one at the next look. */
  readonly onJobFailed: (jobId: string, error: unknown) => void;
  /** Told when the machines of one fleet could not be told. */
  readonly onFleetFailed: (fleet: string, error: unknown) => void;
}

const JOBS_AT_ONCE = 4;
/** Machines whose cloud does not answer hear of nothing anyhow. */
const TELL_SECONDS = 8;

/** @returns the jobs as they are now */
export async function pauseSpent(jobs: readonly JobProgress[], ports: PausePorts): Promise<readonly JobProgress[]> {
  const now = await inParallel(jobs, JOBS_AT_ONCE, (progress) =>
    pauseIfSpent(progress, ports).catch((error: unknown) => {
      ports.onJobFailed(progress.job.jobId, error);
      return progress;
    }),
  );
  return now;
}

async function pauseIfSpent(progress: JobProgress, { jobs }: PausePorts): Promise<JobProgress> {
  const { job, counters } = progress;
  const reason = whyPause(job, counters);
  if (reason === null || !(await jobs.pause(job.jobId, 'budget', reason))) return progress;
  return { job: { ...job, status: 'PAUSED', statusReason: reason, pausedFor: 'budget' }, counters };
}

/** Tells the machines of every fleet of these jobs which of them are paused, and which have left it. */
export async function tellMachines(jobs: readonly JobProgress[], ports: PausePorts): Promise<void> {
  const fleets = [...new Set(jobs.flatMap(({ job }) => fleetsNamed(job)))];
  await inParallel(fleets, JOBS_AT_ONCE, (fleet) => {
    const ofFleet = jobs.filter(({ job }) => fleetsWithTasks(job).includes(fleet) || hasLeft(job, fleet));
    const telling = (ports.patience ?? endlessPatience)(tellFleet(fleet, ofFleet, ports), TELL_SECONDS, fleet);
    return telling.catch((error: unknown) => ports.onFleetFailed(fleet, error));
  });
}

/**
 * The control document says what the rows say, in both directions: whoever paused a job, or let it go on, may have died
 * before it could tell, or been overtaken by one that had read the row before. A job that goes on and is paused for its
 * machines only would never end, and they would start, give its tasks back and end for as long as it lasts.
 */
async function tellFleet(fleet: string, jobs: readonly JobProgress[], { control, clock }: PausePorts): Promise<void> {
  const now = clock.now();
  const told = (document: ControlDocument): ControlDocument =>
    jobs.reduce(
      (said, { job }) => (hasLeft(job, fleet) ? withLeftJob(said, job.jobId, now) : withPauseOf(said, job, now)),
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
