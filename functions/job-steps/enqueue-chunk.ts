/** Puts the tasks of one chunk on their fleet's queue. Safe to repeat: repeats are duplicates of the same attempt. */
import { PermanentError } from '../../core/errors.ts';
import { blobKeys, CHUNK_SIZE } from '../../core/ids.ts';
import { isClosed } from '../../core/job.ts';
import { taskSchema } from '../../core/job-submission.ts';
import type { BlobStore, JobStore, TaskQueues } from '../../core/ports.ts';
import { firstAttempt } from '../task-messages.ts';

export interface EnqueuePorts {
  readonly jobs: JobStore;
  readonly blobs: BlobStore;
  readonly queues: TaskQueues;
}

/** @throws PermanentError when job or inputs are missing; TransientError when the queue does not take them */
export async function enqueueChunk(jobId: string, chunk: number, ports: EnqueuePorts): Promise<{ sent: number }> {
  const progress = await ports.jobs.progress(jobId);
  if (!progress) throw new PermanentError('the job does not exist', { context: { jobId } });
  const { job } = progress;
  if (isClosed(job.status) || job.status === 'CANCELLING') return { sent: 0 };
  const bytes = await ports.blobs.get(blobKeys.inputs(jobId, chunk));
  if (!bytes) throw new PermanentError('the inputs of a chunk are missing', { context: { jobId, chunk } });
  const messages = linesOf(bytes).map(({ line, ...range }, at) =>
    firstAttempt(job, chunk * CHUNK_SIZE + at, taskSchema.parse(JSON.parse(line)), range),
  );
  await ports.queues(job.fleet, job.priority).send(messages);
  return { sent: messages.length };
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
