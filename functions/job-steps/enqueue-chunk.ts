/**
 * Puts the tasks of one chunk on the queues of their fleets. Safe to repeat: repeats are duplicates of the same attempt, and
 * what has ended since is left out.
 */
import { PermanentError } from '../../core/errors.ts';
import { blobKeys, CHUNK_SIZE } from '../../core/ids.ts';
import { isClosed } from '../../core/job.ts';
import { taskSchema } from '../../core/job-submission.ts';
import type { BlobStore, Clock, DelayedQueue, JobStore, TaskQueues, TaskStore } from '../../core/ports.ts';
import { sendAttempts } from '../accounting/apply-reports.ts';
import { currentAttempt, unfinishedTasks } from '../accounting/unfinished-tasks.ts';
import { sendTasks } from '../send-tasks.ts';
import { firstAttempt } from '../task-messages.ts';

export interface EnqueuePorts {
  readonly jobs: JobStore;
  readonly blobs: BlobStore;
  readonly queues: TaskQueues;
  readonly delayed: DelayedQueue;
  readonly tasks: Pick<TaskStore, 'listChunk'>;
  readonly clock: Clock;
}

/** @throws PermanentError when job or inputs are missing; TransientError when the queue does not take them */
export async function enqueueChunk(jobId: string, chunk: number, ports: EnqueuePorts): Promise<{ sent: number }> {
  const progress = await ports.jobs.progress(jobId);
  if (!progress) throw new PermanentError('the job does not exist', { context: { jobId } });
  const { job } = progress;
  if (isClosed(job.status) || job.status === 'CANCELLING') return { sent: 0 };
  const bytes = await ports.blobs.get(blobKeys.inputs(jobId, chunk));
  if (!bytes) throw new PermanentError('the inputs of a chunk are missing', { context: { jobId, chunk } });
  const lines = linesOf(bytes);
  const unfinished = await unfinishedTasks(job, chunk, ports.tasks);
  const fresh = unfinished.filter(({ row }) => row === undefined);
  const messages = fresh.flatMap(({ index }) => {
    const found = lines[index - chunk * CHUNK_SIZE];
    if (!found) throw new PermanentError('the input of a task is missing', { context: { jobId, index } });
    const { line, ...range } = found;
    return firstAttempt(job, index, taskSchema.parse(JSON.parse(line)), range);
  });
  await sendTasks(messages, ports.queues);
  // Only a repeat finds any: an execution that was started anew, a step that died half-way.
  const begun = unfinished.filter(({ row }) => row !== undefined);
  const sentAgain = await sendAttempts(
    job,
    begun.map((task) => currentAttempt(jobId, task)),
    ports,
  );
  return { sent: messages.length + sentAgain };
}

/** The lines of a file, each with its place in bytes. */
function linesOf(file: Uint8Array): { line: string; offset: number; bytes: number }[] {
  let offset = 0;
  return Buffer.from(file)
    .toString('utf8')
    .split('\n')
    .map((line) => {
      const bytes = Buffer.byteLength(line);
      const place = { line, offset, bytes };
      offset += bytes + 1;
      return place;
    })
    .filter(({ bytes }) => bytes > 0);
}
