/**
 * Sends the tasks of a fleet that was left to where they belong now, as the same attempts: a bounded number in one run, the
 * rest in the next ones. What runs there may finish all the same: the first completion counts. What a run that died, or a
 * function that had read the job before, still sent to the old fleet, the sweep finds.
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import { chunksOf } from '../../core/ids.ts';
import { isMovedBy, type MoveMark } from '../../core/placement.ts';
import type { JobProgress } from '../../core/ports.ts';
import { sendAttempts } from '../accounting/apply-reports.ts';
import { currentAttempt, unfinishedTasks } from '../accounting/unfinished-tasks.ts';
import { asksForNothing } from './scale-snapshot.ts';
import type { SweepPorts } from './sweep.ts';

const JOBS_AT_ONCE = 4;
/** Of one job, in one run: 20,000 tasks. */
const MAX_CHUNKS = 20;
const CHUNKS_AT_ONCE = 4;
const NEVER_MOVED: MoveMark = { done: 0, chunk: 0 };

export interface MovePorts extends Omit<SweepPorts, 'onSweepFailed'> {
  /** Told when something could not be done for one job; the others go on. */
  readonly onJobFailed: (jobId: string, error: unknown) => void;
}

/** @returns how many tasks were sent */
export async function moveTasks(jobs: readonly JobProgress[], ports: MovePorts): Promise<number> {
  const moving = jobs.filter(({ job }) => !asksForNothing(job.status) && isMoving(job));
  const sent = await inParallel(moving, JOBS_AT_ONCE, async ({ job }) => {
    try {
      return await moveJob(job, ports);
    } catch (error) {
      ports.onJobFailed(job.jobId, error);
      return 0;
    }
  });
  return sent.reduce((sum, count) => sum + count, 0);
}

/** Not before every chunk was sent once: a step that sends one may have read the job before it left. */
const isMoving = ({ placement, moved, enqueuedAt }: JobProgress['job']): boolean =>
  enqueuedAt !== null && (placement?.left.length ?? 0) > (moved ?? NEVER_MOVED).done;

async function moveJob(job: JobProgress['job'], ports: MovePorts): Promise<number> {
  const { done, chunk: from } = job.moved ?? NEVER_MOVED;
  const chunks = chunksOf(job.taskCount);
  const now = chunks.slice(from, from + MAX_CHUNKS);
  const sent = await inParallel(now, CHUNKS_AT_ONCE, async (chunk) => {
    const unfinished = await unfinishedTasks(job, chunk, ports.tasks);
    const moved = unfinished.filter(({ index }) => isMovedBy(job, done, index));
    return sendAttempts(
      job,
      moved.map((task) => currentAttempt(job.jobId, task)),
      ports,
    );
  });
  const next = from + now.length;
  const isDone = next >= chunks.length;
  // The sweep's looks begin anew: what was sent just now is not lost.
  if (isDone) {
    await ports.jobs.markSweep(job.jobId, { quietAt: null, sentAt: ports.clock.now().toISOString(), chunk: 0 });
  }
  await ports.jobs.markMoved(job.jobId, isDone ? { done: done + 1, chunk: 0 } : { done, chunk: next });
  return sent.reduce((sum, count) => sum + count, 0);
}
