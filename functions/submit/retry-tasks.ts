/** Which tasks of a job run again, and with which inputs. */
import { inParallel } from '../../adapters/in-parallel.ts';
import { taskCounts } from '../../core/counters.ts';
import { ConflictError, type Fault, TransientError } from '../../core/errors.ts';
import { failureGroupId } from '../../core/failure-groups.ts';
import { blobKeys, CHUNK_SIZE, chunkOf, chunksOf, parseTaskId } from '../../core/ids.ts';
import { isClosed, type Job } from '../../core/job.ts';
import { mayRunAgain, type RetryRequest, TOO_MANY_TASKS } from '../../core/job-retry.ts';
import { MAX_INLINE_TASKS, type TaskInput, taskSchema } from '../../core/job-submission.ts';
import type { BlobStore, JobProgress, TaskStore } from '../../core/ports.ts';
import { taskAsSeen } from '../../core/task-as-seen.ts';
import { failedTasks } from '../failed-tasks.ts';
import { HttpError } from '../http/problem.ts';

const CHUNKS_AT_ONCE = 8;
/** They are held in memory at once. */
const MAX_INPUT_BYTES = 64_000_000;

export interface Selection {
  /** Ascending. */
  readonly indexes: readonly number[];
  readonly faults: readonly Fault[];
}

/** @throws ConflictError when nothing failed; TransientError when the index of failed tasks is behind */
export async function selectTasks(
  progress: JobProgress,
  request: Pick<RetryRequest, 'group' | 'tasks' | 'cancelled'>,
  tasks: TaskStore,
): Promise<Selection> {
  const { job } = progress;
  if (request.tasks) return namedTasks(job, request.tasks, tasks);
  const indexes = request.cancelled ? await endedBadly(job, tasks) : await failedOnes(progress, request.group, tasks);
  if (indexes.length === 0 && request.group !== undefined) {
    return { indexes, faults: [{ path: 'group', message: 'no failed task of this job is in this group' }] };
  }
  if (indexes.length === 0) throw new ConflictError(nothingToRun(progress, request.cancelled));
  return { indexes, faults: indexes.length > MAX_INLINE_TASKS ? [{ path: '$', message: TOO_MANY_TASKS }] : [] };
}

function nothingToRun({ job, counters }: JobProgress, withCancelled: boolean): string {
  if (withCancelled) return 'none of its tasks has failed or was cancelled';
  const { cancelled } = taskCounts(job.taskCount, counters, isClosed(job.status));
  const hint = cancelled === 1 ? 'the cancelled one' : `the ${cancelled} cancelled ones`;
  return `none of its tasks has failed${cancelled > 0 ? `; {"cancelled": true} runs ${hint}` : ''}`;
}

async function namedTasks(job: Job, taskIds: readonly string[], tasks: TaskStore): Promise<Selection> {
  const rows = await tasks.getMany(taskIds);
  const first = new Map<string, number>();
  const faults = taskIds.flatMap((taskId, at): Fault[] => {
    const fault = (message: string): Fault[] => [{ path: `tasks[${at}]`, message }];
    const earlier = first.get(taskId);
    if (earlier !== undefined) return fault(`is named already by tasks[${earlier}]`);
    first.set(taskId, at);
    const position = parseTaskId(taskId);
    if (position?.jobId !== job.jobId || position.index >= job.taskCount) return fault('is no task of this job');
    const { status } = taskAsSeen(job, position.index, rows.get(taskId));
    return mayRunAgain(status) ? [] : fault(`is ${status}: only a failed or cancelled task can run again`);
  });
  const indexes = [...first.keys()].flatMap((taskId) => parseTaskId(taskId)?.index ?? []);
  return { indexes: indexes.sort((a, b) => a - b), faults };
}

async function failedOnes({ job, counters }: JobProgress, group: string | undefined, tasks: TaskStore) {
  const indexes: number[] = [];
  let seen = 0;
  for await (const { index, failure } of failedTasks(job.jobId, 0, tasks)) {
    seen += 1;
    const matches = group === undefined || (failure !== null && failureGroupId(failure) === group);
    if (matches && indexes.length <= MAX_INLINE_TASKS) indexes.push(index);
  }
  // The index follows the rows by a moment. Of a job that has ended everything is known: nothing may be missed.
  if (isClosed(job.status) && seen < counters.failed) {
    throw new TransientError('the list of failed tasks is not complete yet', { context: { jobId: job.jobId } });
  }
  return indexes;
}

/** Cancelled tasks are in no index, most have no row: every chunk is read. */
async function endedBadly(job: Job, tasks: TaskStore): Promise<readonly number[]> {
  const parts = await inParallel(chunksOf(job.taskCount), CHUNKS_AT_ONCE, async (chunk) => {
    const start = chunk * CHUNK_SIZE;
    const length = Math.min(CHUNK_SIZE, job.taskCount - start);
    const rows = new Map((await tasks.listChunk(job.jobId, chunk, start, length)).map((row) => [row.index, row]));
    return Array.from({ length }, (_, at) => start + at).filter((index) =>
      mayRunAgain(taskAsSeen(job, index, rows.get(index)).status),
    );
  });
  return parts.flat();
}

/** The inputs of these tasks, their keys with them. @throws ConflictError when they are kept no longer */
export async function readInputs(
  { jobId }: Pick<Job, 'jobId'>,
  indexes: readonly number[],
  blobs: BlobStore,
): Promise<TaskInput[]> {
  const byChunk = [...Map.groupBy(indexes, chunkOf)];
  let bytes = 0;
  const parts = await inParallel(byChunk, CHUNKS_AT_ONCE, async ([chunk, ofChunk]) => {
    const file = await blobs.get(blobKeys.inputs(jobId, chunk));
    if (!file) throw new ConflictError('the inputs of this job are kept no longer', { context: { jobId, chunk } });
    const lines = Buffer.from(file).toString('utf8').split('\n');
    return ofChunk.map((index) => {
      const line = lines[index - chunk * CHUNK_SIZE] ?? '';
      bytes += line.length;
      if (bytes > MAX_INPUT_BYTES)
        throw new HttpError(413, 'the inputs of these tasks are too large: name some of them');
      return taskSchema.parse(JSON.parse(line));
    });
  });
  return parts.flat();
}
