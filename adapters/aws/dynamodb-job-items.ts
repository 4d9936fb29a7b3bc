/** The shapes of the items beside a job in its table. */
import { z } from 'zod';
import type { Counters } from '../../core/counters.ts';
import { type Job, jobSchema } from '../../core/job.ts';
import type { IdempotencyRecord } from '../../core/ports.ts';

const count = z.number().default(0);

/** A counter shard; a number that was never added to is absent. */
const countersSchema = z.object({
  running: count,
  completed: count,
  failed: count,
  cancelled: count,
  completedSeconds: count,
  costUsd: count,
  lostSeconds: count,
  lostUsd: count,
});

/** Before the name of a fleet: an attribute that counts what has ended of the tasks that it had at first. */
export const ENDED_PREFIX = 'ended#';

export function countersFromItem(item: Record<string, unknown>): Counters {
  const ended = Object.entries(item).filter(([name]) => name.startsWith(ENDED_PREFIX));
  if (ended.length === 0) return countersSchema.parse(item);
  const byFleet = ended.map(([name, value]) => [name.slice(ENDED_PREFIX.length), count.parse(value)]);
  return { ...countersSchema.parse(item), endedByFleet: Object.fromEntries(byFleet) };
}

/** A set has no order of its own; ids of jobs sort by their time. */
const sortedSchema = z
  .set(z.string())
  .default(new Set())
  .transform((elements) => [...elements].sort());

export const jobFromItem = (item: Record<string, unknown>): Job =>
  jobSchema.parse({
    ...item,
    retries: sortedSchema.parse(item['retries']),
    priorities: sortedSchema.parse(item['priorities']),
  });

/** What the index `by-state` carries of a job. */
export const summarySchema = jobSchema.pick({
  jobId: true,
  name: true,
  status: true,
  statusReason: true,
  fleet: true,
  taskCount: true,
  createdAt: true,
  startedAt: true,
  finishedAt: true,
  priority: true,
});

const stored = z.object({ requestHash: z.string(), ofJob: z.string(), answer: z.string(), expiresAt: z.string() });

export const idempotencySchema = z
  .object({ jobId: z.string().startsWith('idempotency#') })
  .extend(stored.shape)
  .transform(
    ({ jobId, ofJob, ...record }): IdempotencyRecord => ({
      id: jobId.slice('idempotency#'.length),
      jobId: ofJob,
      ...record,
    }),
  );

export const idempotencyItem = ({ id, jobId, ...record }: IdempotencyRecord) => ({
  jobId: `idempotency#${id}`,
  item: 'record',
  ofJob: jobId,
  ...record,
  expiresAtSeconds: Math.ceil(Date.parse(record.expiresAt) / 1_000),
});
