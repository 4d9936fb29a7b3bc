/** The keys of everything that lies under a job: one place for the job store and the task store. */
import { chunkOf } from '../../core/ids.ts';

export const jobKey = (jobId: string) => ({ jobId, item: 'job' });
export const counterKey = (jobId: string, shard: number) => ({ jobId, item: `counter#${shard}` });

export const chunkId = (jobId: string, chunk: number): string => `${jobId}#${chunk}`;
export const taskKey = (jobId: string, index: number) => ({ chunkId: chunkId(jobId, chunkOf(index)), index });
