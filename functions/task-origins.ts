/** Of a retry: which task of the chain's first job each of its tasks is. Written once, with the job's inputs. */
import { z } from 'zod';
import { blobKeys } from '../core/ids.ts';
import type { Job } from '../core/job.ts';
import type { BlobStore } from '../core/ports.ts';

const originsSchema = z.array(z.int().nonnegative());

/** Indexes in the first job, ascending, one a task; `null` for a job that is no retry, or is kept no longer. */
export async function readOrigins(
  { jobId, rootJobId }: Pick<Job, 'jobId' | 'rootJobId'>,
  blobs: BlobStore,
): Promise<readonly number[] | null> {
  if (rootJobId === null) return null;
  const bytes = await blobs.get(blobKeys.origins(jobId));
  return bytes ? originsSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))) : null;
}
