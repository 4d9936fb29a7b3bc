/** A chain of retries as one job: for each task of its first job the run that counts. */
import { inParallel } from '../../adapters/in-parallel.ts';
import { taskIdOf } from '../../core/ids.ts';
import type { Job } from '../../core/job.ts';
import { laterRunCounts, mayRunAgain } from '../../core/job-retry.ts';
import type { TaskRecord } from '../../core/task.ts';
import { taskAsSeen } from '../../core/task-as-seen.ts';
import { readOrigins } from '../task-origins.ts';
import type { TaskPorts } from './tasks.ts';

const RETRIES_AT_ONCE = 8;

/** A task of the first job, and the run of it that counts: its own, or that of a retry. */
export interface MergedRun {
  readonly task: TaskRecord;
  readonly run: TaskRecord;
}

/**
 * @param root the first job of the chain
 * @param tasks some of its tasks, as their user should see them
 */
export async function mergedRuns(root: Job, tasks: readonly TaskRecord[], ports: TaskPorts): Promise<MergedRun[]> {
  const wanted = new Set(tasks.filter(({ status }) => mayRunAgain(status)).map(({ index }) => index));
  const chain = wanted.size === 0 ? [] : root.retries;
  const runs = await inParallel(chain, RETRIES_AT_ONCE, (jobId) => runsOf(jobId, root, wanted, ports));
  return tasks.map((task) => {
    // The oldest retry first: its runs are compared in the order of the chain.
    const later = runs.flatMap((ofJob) => ofJob.get(task.index) ?? []);
    const run = later.reduce((before, candidate) => (laterRunCounts(before, candidate) ? candidate : before), task);
    return { task, run };
  });
}

/** What a retry ran of those tasks, by their index in the first job. */
async function runsOf(
  jobId: string,
  root: Job,
  wanted: ReadonlySet<number>,
  ports: TaskPorts,
): Promise<ReadonlyMap<number, TaskRecord>> {
  const origins = (await readOrigins({ jobId, rootJobId: root.jobId }, ports.blobs)) ?? [];
  const places = origins.flatMap((origin, index) => (wanted.has(origin) ? [{ origin, index }] : []));
  if (places.length === 0) return new Map();
  const [progress, rows] = await Promise.all([
    ports.jobs.progress(jobId),
    ports.tasks.getMany(places.map(({ index }) => taskIdOf(jobId, index))),
  ]);
  if (!progress) return new Map();
  return new Map(
    places.map(({ origin, index }) => [origin, taskAsSeen(progress.job, index, rows.get(taskIdOf(jobId, index)))]),
  );
}
