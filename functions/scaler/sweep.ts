/** Sends lost tasks again (core/plan-sweep.ts): a bounded number in one run, the rest in the next ones. */
import { inParallel } from '../../adapters/in-parallel.ts';
import { chunksOf } from '../../core/ids.ts';
import { ENDED_IDLE } from '../../core/instance.ts';
import { fleetsWithTasks, openByFleet } from '../../core/placement.ts';
import { isLost, NEVER_SWEPT, planSweep, type SweepLimits, type SweepSnapshot } from '../../core/plan-sweep.ts';
import type {
  Clock,
  DelayedQueue,
  FleetStore,
  JobProgress,
  JobStore,
  TaskQueues,
  TaskStore,
} from '../../core/ports.ts';
import { sendAttempts } from '../accounting/apply-reports.ts';
import { currentAttempt, unfinishedTasks } from '../accounting/unfinished-tasks.ts';
import { depthFor } from './queue-depth.ts';
import { asksForNothing } from './scale-snapshot.ts';

export interface SweepPorts {
  readonly jobs: JobStore;
  readonly tasks: TaskStore;
  readonly queues: TaskQueues;
  readonly delayed: DelayedQueue;
  readonly fleets: Pick<FleetStore, 'listEnded'>;
  readonly clock: Clock;
  /** Told when one job cannot be swept; the others are. */
  readonly onSweepFailed: (jobId: string, error: unknown) => void;
}

const JOBS_AT_ONCE = 4;
/** Of one job, in one run. */
const MAX_CHUNKS = 10;
const MAX_SENT = 1_000;

/** Machines that ended lately, among which one is looked for that found nothing to do. */
const LOOKED_AT = 20;

/** @returns how many tasks were sent again */
export async function sweep(jobs: readonly JobProgress[], ports: SweepPorts, limits: SweepLimits): Promise<number> {
  const open = jobs.filter(({ job }) => !asksForNothing(job.status));
  const sent = await inParallel(open, JOBS_AT_ONCE, async (progress) => {
    try {
      return await sweepJob(progress, ports, limits);
    } catch (error) {
      ports.onSweepFailed(progress.job.jobId, error);
      return 0;
    }
  });
  return sent.reduce((sum, count) => sum + count, 0);
}

async function sweepJob({ job, counters }: JobProgress, ports: SweepPorts, limits: SweepLimits): Promise<number> {
  const openTasks = job.taskCount - counters.completed - counters.failed - counters.cancelled;
  if (openTasks === 0 || job.enqueuedAt === null) return 0;
  const seen = await lookAtQueues({ job, counters }, ports);
  const step = planSweep({ now: ports.clock.now(), job, openTasks, ...seen }, limits);
  if (step.kind === 'nothing') return 0;
  if (step.kind === 'mark') {
    await ports.jobs.markSweep(job.jobId, step.mark);
    return 0;
  }
  const chunks = chunksOf(job.taskCount).slice(step.fromChunk);
  let next = step.fromChunk;
  let sent = 0;
  for (const chunk of chunks.slice(0, MAX_CHUNKS)) {
    if (sent >= MAX_SENT) break;
    const unfinished = await unfinishedTasks(job, chunk, ports.tasks);
    const lost = unfinished.filter(({ row }) => isLost(row, job, step.heardBy));
    sent += await sendAttempts(
      job,
      lost.map((task) => currentAttempt(job.jobId, task)),
      ports,
    );
    next = chunk + 1;
  }
  const mark = job.sweep ?? NEVER_SWEPT;
  const isDone = next >= chunksOf(job.taskCount).length;
  // Only after the last chunk: until then `sentAt` would make the tasks of later chunks look as if they had been sent.
  await ports.jobs.markSweep(
    job.jobId,
    isDone ? { quietAt: null, sentAt: ports.clock.now().toISOString(), chunk: 0 } : { ...mark, chunk: next },
  );
  return sent;
}

/** What waits on the queues of the fleets where the job has work, as far as they tell; else when their machines found nothing. */
async function lookAtQueues(
  { job, counters }: JobProgress,
  ports: Pick<SweepPorts, 'queues' | 'fleets'>,
): Promise<Pick<SweepSnapshot, 'visible' | 'foundEmptyAt'>> {
  const open = job.placement && openByFleet(job.placement, counters.endedByFleet ?? {});
  const fleets = fleetsWithTasks(job).filter((fleet) => !open || (open.get(fleet) ?? 0) > 0);
  const depths = await Promise.all(fleets.map((fleet) => depthFor([job], fleet, ports.queues)));
  const visible = depths.reduce((sum, depth) => sum + (depth?.visible ?? 0), 0);
  const silent = fleets.filter((_, at) => depths[at] === null);
  if (visible > 0 || silent.length === 0) return { visible };
  const empty = await Promise.all(silent.map((fleet) => foundEmptyAt(fleet, ports)));
  const times = empty.filter((at) => at !== null);
  // The earliest: nothing is known of that queue since.
  return { visible: null, foundEmptyAt: times.length < empty.length ? null : (times.sort()[0] ?? null) };
}

/** When a machine of the fleet last ended because its queues stayed empty, as it said itself. */
async function foundEmptyAt(fleet: string, { fleets }: Pick<SweepPorts, 'fleets'>): Promise<string | null> {
  const ended = await fleets.listEnded(fleet, LOOKED_AT);
  return ended.find(({ stateReason }) => stateReason === ENDED_IDLE)?.endedAt ?? null;
}
