/** The users' own keys of tasks: they lie in the chunks' input files, read only when a job has any. */
import { z } from 'zod';
import { inParallel } from '../../adapters/in-parallel.ts';
import { blobKeys, CHUNK_SIZE, chunkOf } from '../../core/ids.ts';
import type { Job } from '../../core/job.ts';
import type { BlobStore } from '../../core/ports.ts';

const CHUNKS_AT_ONCE = 8;

const lineSchema = z.object({ key: z.string().optional() });

/** The keys of these tasks by index; a task without a key is absent. */
export async function taskKeys(job: Job, indexes: readonly number[], blobs: BlobStore): Promise<Map<number, string>> {
  const keys = new Map<number, string>();
  if (!job.keyed) return keys;
  await inParallel([...new Set(indexes.map(chunkOf))], CHUNKS_AT_ONCE, async (chunk) => {
    const bytes = await blobs.get(blobKeys.inputs(job.jobId, chunk));
    const lines = Buffer.from(bytes ?? [])
      .toString('utf8')
      .split('\n');
    for (const index of indexes.filter((each) => chunkOf(each) === chunk)) {
      const line = lines[index - chunk * CHUNK_SIZE];
      const key = line ? lineSchema.parse(JSON.parse(line)).key : undefined;
      if (key !== undefined) keys.set(index, key);
    }
  });
  return keys;
}
