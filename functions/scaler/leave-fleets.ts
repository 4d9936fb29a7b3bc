/**
 * Jobs that leave a fleet which is in trouble (core/fleet-trouble.ts), when another of theirs is not: the job's row first, by
 * compare-and-set. Then the machines of that fleet are told (pause-spent.ts, each tick: they may be out of reach now), and
 * its tasks are sent to where they belong (move-tasks.ts).
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import { counted } from '../../core/counted.ts';
import type { Fleet } from '../../core/fleet.ts';
import { candidateOf } from '../../core/fleet-candidate.ts';
import { type LeaveAfterSeconds, whyAvoid, whyLeave } from '../../core/fleet-trouble.ts';
import { placeTasks } from '../../core/place-tasks.ts';
import {
  fleetsInUse,
  fleetsWithTasks,
  leaveFleet,
  openByFleet,
  type Placement,
  tasksByFleet,
} from '../../core/placement.ts';
import type { Clock, FleetRead, JobProgress, JobStore, OfferSource } from '../../core/ports.ts';
import { soldOutPools } from '../../core/stock-outs.ts';
import { secondsPerTask } from '../../core/task-seconds.ts';
import { asksForNothing } from './scale-snapshot.ts';

const JOBS_AT_ONCE = 4;

export interface LeavePorts {
  readonly jobs: Pick<JobStore, 'place' | 'progress'>;
  readonly offersOf?: (fleet: Fleet) => OfferSource | undefined;
  readonly clock: Clock;
  readonly onJobFailed: (jobId: string, error: unknown) => void;
}

export interface LeaveSettings {
  /** As core/fleet-trouble.ts has it, unless told. */
  readonly leaveAfterSeconds?: LeaveAfterSeconds;
  readonly bootSeconds: number;
  readonly unknownSecondsPerTask: number;
}

/** What is known of the fleets that jobs share, by name. */
export type KnownFleets = ReadonlyMap<string, FleetRead>;

/** @returns the jobs as they are now */
export function leaveFleets(
  jobs: readonly JobProgress[],
  fleets: readonly Fleet[],
  known: KnownFleets,
  ports: LeavePorts,
  settings: LeaveSettings,
): Promise<readonly JobProgress[]> {
  return inParallel(jobs, JOBS_AT_ONCE, async (progress) => {
    try {
      return await leaveIfNeeded(progress, fleets, known, ports, settings);
    } catch (error) {
      ports.onJobFailed(progress.job.jobId, error);
      return progress;
    }
  });
}

async function leaveIfNeeded(
  progress: JobProgress,
  fleets: readonly Fleet[],
  known: KnownFleets,
  ports: LeavePorts,
  settings: LeaveSettings,
): Promise<JobProgress> {
  const { job, counters } = progress;
  const { placement } = job;
  if (!placement || asksForNothing(job.status)) return progress;
  const now = ports.clock.now();
  const open = openByFleet(placement, counters.endedByFleet ?? {});
  const troubleOf = (fleet: string) => known.get(fleet)?.state.trouble;
  const whyGo = (fleet: string) => whyLeave(troubleOf(fleet), now, settings.leaveAfterSeconds);
  const others = (fleet: string): string[] =>
    fleetsInUse(job).filter((each) => each !== fleet && whyAvoid(troubleOf(each), now) === null);
  const leaving = fleetsInUse(job).find(
    (fleet) => (open.get(fleet) ?? 0) > 0 && whyGo(fleet) !== null && others(fleet).length > 0,
  );
  const reason = leaving === undefined ? null : whyGo(leaving);
  if (leaving === undefined || reason === null) return progress;
  const candidates = fleets.filter(({ name }) => others(leaving).includes(name));
  const next = await placementWithout(leaving, reason, progress, placement, candidates, known, ports, settings);
  if (next && (await ports.jobs.place(job.jobId, next))) return { job: { ...job, placement: next }, counters };
  // Another run was faster: what it decided holds.
  return (await ports.jobs.progress(job.jobId)) ?? progress;
}

async function placementWithout(
  leaving: string,
  reason: string,
  progress: JobProgress,
  placement: Placement,
  others: readonly Fleet[],
  known: KnownFleets,
  { offersOf, clock }: LeavePorts,
  settings: LeaveSettings,
): Promise<Placement | undefined> {
  if (others.length === 0) return undefined;
  const { job } = progress;
  const now = clock.now();
  const tasks = tasksByFleet(placement).get(leaving) ?? 0;
  const seconds = Math.max(0.1, secondsPerTask(progress, now) ?? settings.unknownSecondsPerTask);
  const candidates = await Promise.all(
    others.map(async (fleet) => {
      const offers = await offersOf?.(fleet)
        ?.list()
        .catch(() => ({ offers: [] }));
      const soldOut = soldOutPools(known.get(fleet.name)?.state.stockOuts ?? [], now);
      const work = { tasks, secondsPerTask: seconds, resources: job.resources };
      return candidateOf(fleet, work, offers?.offers ?? null, {
        soldOut,
        trouble: null,
        bootSeconds: settings.bootSeconds,
        instances: known.get(fleet.name)?.instances ?? [],
      });
    }),
  );
  const staying = fleetsWithTasks(job).filter((fleet) => fleet !== leaving).length;
  const placed = placeTasks(
    {
      tasks,
      secondsPerTask: seconds,
      secondsLeft: job.deadline === null ? null : (Date.parse(job.deadline) - now.getTime()) / 1_000,
      // Each fleet with tasks needs a machine of the job's.
      maxInstances: job.maxInstances === null ? null : Math.max(1, job.maxInstances - staying),
      inputBytesPerTask: null,
    },
    candidates,
  );
  const at = now.toISOString();
  return leaveFleet(placement, { fleet: leaving, at, reason, to: [...placed.shares] }, [
    `${leaving} is left for good, ${counted(tasks, 'task moves', 'tasks move')}: ${reason}`,
    ...placed.reasons,
  ]);
}
