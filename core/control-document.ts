/**
 * What agents must know beyond their queue: `control/{fleet}.json`, written by compare-and-set, fetched by ETag.
 * The control plane never calls a worker; this small document is how it speaks to one.
 */
import { z } from 'zod';

const cancelledJobSchema = z.object({ jobId: z.string(), at: z.iso.datetime() });

export const controlDocumentSchema = z.object({
  v: z.literal(1),
  cancelledJobs: z.array(cancelledJobSchema),
  drainingInstances: z.array(z.string()),
});
export type ControlDocument = z.infer<typeof controlDocumentSchema>;

export const emptyControlDocument: ControlDocument = { v: 1, cancelledJobs: [], drainingInstances: [] };

/** After so long no message of a cancelled job can be left on a queue (SQS retention, 14 days). */
const RETENTION_MS = 14 * 86_400_000;

/** The document with that job cancelled; entries that can no longer matter are dropped. */
export function withCancelledJob(document: ControlDocument, jobId: string, now: Date): ControlDocument {
  const others = document.cancelledJobs.filter(
    (entry) => entry.jobId !== jobId && now.getTime() - Date.parse(entry.at) < RETENTION_MS,
  );
  return { ...document, cancelledJobs: [...others, { jobId, at: now.toISOString() }] };
}

export const isJobCancelled = (document: ControlDocument, jobId: string): boolean =>
  document.cancelledJobs.some((entry) => entry.jobId === jobId);
