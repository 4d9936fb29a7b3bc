/**
 * What agents must know beyond their queue: `control/{fleet}.json`, written by compare-and-set, fetched by ETag.
 * The control plane never calls a worker; this small document is how it speaks to one.
 */
import { z } from 'zod';
import type { Job } from './job.ts';

const cancelledJobSchema = z.object({ jobId: z.string(), at: z.iso.datetime() });
const pausedJobSchema = z.object({ jobId: z.string(), at: z.iso.datetime() });
const leftJobSchema = z.object({ jobId: z.string(), at: z.iso.datetime() });
const cancelledTaskSchema = z.object({ taskId: z.string(), at: z.iso.datetime() });

export const controlDocumentSchema = z.object({
  v: z.literal(1),
  cancelledJobs: z.array(cancelledJobSchema),
  /** Single tasks; absent in documents of an older version. */
  cancelledTasks: z.array(cancelledTaskSchema).default([]),
  /** Nothing of them starts; what runs may finish. */
  pausedJobs: z.array(pausedJobSchema).default([]),
  /** They went to other fleets: of what is still here nothing starts, and its messages can go. What runs may finish. */
  leftJobs: z.array(leftJobSchema).default([]),
  drainingInstances: z.array(z.string()),
});
export type ControlDocument = z.infer<typeof controlDocumentSchema>;

export const emptyControlDocument: ControlDocument = {
  v: 1,
  cancelledJobs: [],
  cancelledTasks: [],
  pausedJobs: [],
  leftJobs: [],
  drainingInstances: [],
};

/** After so long no message of a cancelled job can be left on a queue (SQS retention, 14 days). */
const RETENTION_MS = 14 * 86_400_000;

/** The document with that job cancelled; entries that can no longer matter are dropped. */
export function withCancelledJob(document: ControlDocument, jobId: string, now: Date): ControlDocument {
  const others = document.cancelledJobs.filter(
    (entry) => entry.jobId !== jobId && now.getTime() - Date.parse(entry.at) < RETENTION_MS,
  );
  return { ...document, cancelledJobs: [...others, { jobId, at: now.toISOString() }] };
}

/** More of them make the document, which every agent fetches, too large: the oldest are dropped, and run to their end. */
export const MAX_CANCELLED_TASKS = 1_000;

/** The document with that one task cancelled. */
export function withCancelledTask(document: ControlDocument, taskId: string, now: Date): ControlDocument {
  const others = document.cancelledTasks.filter(
    (entry) => entry.taskId !== taskId && now.getTime() - Date.parse(entry.at) < RETENTION_MS,
  );
  const cancelledTasks = [...others, { taskId, at: now.toISOString() }].slice(-MAX_CANCELLED_TASKS);
  return { ...document, cancelledTasks };
}

export const isTaskCancelled = (document: ControlDocument, taskId: string): boolean =>
  document.cancelledTasks.some((entry) => entry.taskId === taskId);

/** The document with that job paused; the very same one if it was. */
export function withPausedJob(document: ControlDocument, jobId: string, now: Date): ControlDocument {
  if (isJobPaused(document, jobId)) return document;
  return { ...document, pausedJobs: [...document.pausedJobs, { jobId, at: now.toISOString() }] };
}

/** The document with that job going on; the very same one if it was not paused. */
export function withoutPausedJob(document: ControlDocument, jobId: string): ControlDocument {
  if (!isJobPaused(document, jobId)) return document;
  return { ...document, pausedJobs: document.pausedJobs.filter((entry) => entry.jobId !== jobId) };
}

/** The document as the job's row says: paused, or going on. */
export const withPauseOf = (
  document: ControlDocument,
  { jobId, status }: Pick<Job, 'jobId' | 'status'>,
  now: Date,
): ControlDocument => (status === 'PAUSED' ? withPausedJob(document, jobId, now) : withoutPausedJob(document, jobId));

/** The document with that job gone to other fleets; the very same one if it says so. */
export function withLeftJob(document: ControlDocument, jobId: string, now: Date): ControlDocument {
  if (hasJobLeft(document, jobId)) return document;
  const others = document.leftJobs.filter(({ at }) => now.getTime() - Date.parse(at) < RETENTION_MS);
  const { pausedJobs } = withoutPausedJob(document, jobId);
  return { ...document, pausedJobs, leftJobs: [...others, { jobId, at: now.toISOString() }] };
}

export const hasJobLeft = (document: ControlDocument, jobId: string): boolean =>
  document.leftJobs.some((entry) => entry.jobId === jobId);

export const isJobPaused = (document: ControlDocument, jobId: string): boolean =>
  document.pausedJobs.some((entry) => entry.jobId === jobId);

export const isJobCancelled = (document: ControlDocument, jobId: string): boolean =>
  document.cancelledJobs.some((entry) => entry.jobId === jobId);
