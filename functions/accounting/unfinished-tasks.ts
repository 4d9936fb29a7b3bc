/** The tasks of a chunk that have not ended, each at the attempt it has come to: what is to be sent, or sent again. */
import { CHUNK_SIZE, chunkOf, taskIdOf } from '../../core/ids.ts';
import type { Job } from '../../core/job.ts';
import type { TaskStore } from '../../core/ports.ts';
import { isTerminal, type TaskRecord } from '../../core/task.ts';

export interface UnfinishedTask {
  readonly index: number;
  /** `undefined`: nobody has heard of it yet. */
  readonly row: TaskRecord | undefined;
}

/** In index order. @throws TransientError when the rows cannot be read */
export async function unfinishedTasks(
  job: Pick<Job, 'jobId' | 'taskCount'>,
  chunk: number,
  tasks: Pick<TaskStore, 'listChunk'>,
): Promise<UnfinishedTask[]> {
  const first = chunk * CHUNK_SIZE;
  const rows = await tasks.listChunk(job.jobId, chunk, first, CHUNK_SIZE);
  const byIndex = new Map(rows.map((row) => [row.index, row]));
  const indexes = Array.from({ length: CHUNK_SIZE }, (_, at) => first + at).filter(
    (index) => index < job.taskCount && chunkOf(index) === chunk,
  );
  return indexes
    .map((index) => ({ index, row: byIndex.get(index) }))
    .filter(({ row }) => row === undefined || !isTerminal(row.status));
}

/** The attempt that such a task waits for. */
export const currentAttempt = (jobId: string, { index, row }: UnfinishedTask) => ({
  taskId: taskIdOf(jobId, index),
  attempt: row?.attempt ?? 1,
  dueAt: row?.dueAt ?? null,
  checkpoint: row?.checkpoint?.blob ?? null,
});
