/** What a user may ask for when the failed tasks of a job are to run again: `POST /v1/jobs/{jobId}/retry`. Pure. */
import { z } from 'zod';
import { isFailureGroupId } from './failure-groups.ts';
import type { Job } from './job.ts';
import { type JobSubmissionDocument, MAX_INLINE_TASKS } from './job-submission.ts';
import type { TaskRecord, TaskStatus } from './task.ts';

/** More retries of one chain would make its merged results too dear to read. */
export const MAX_RETRIES_OF_A_JOB = 100;

/** What of the job may be said anew; checked with the rest of the job, where it is the same as in a submission. */
export const OVERRIDES = [
  'name',
  'fleet',
  'resources',
  'expectedSeconds',
  'timeoutSeconds',
  'maxDurationSeconds',
  'deadline',
  'allowedFailures',
  'retry',
  'priority',
  'maxInstances',
  'budgetUsd',
] as const satisfies readonly (keyof JobSubmissionDocument)[];
type Override = (typeof OVERRIDES)[number];

// The values are those of `JobSubmissionDocument` only once `checkSubmission` has seen them.
const asSubmitted = Object.fromEntries(OVERRIDES.map((name) => [name, z.unknown().optional()])) as Record<
  Override,
  z.ZodOptional<z.ZodUnknown>
>;

export const retryRequestSchema = z
  .strictObject({
    /** One group of its failures only. */
    group: z.string().refine(isFailureGroupId, 'must be the id of a group, as /failures tells it').optional(),
    /** These tasks only, failed or cancelled. */
    tasks: z
      .array(z.string())
      .min(1, 'needs at least one task')
      .max(10_000, 'takes at most 10000 tasks by name')
      .optional(),
    /** Cancelled tasks too. */
    cancelled: z.boolean().default(false),
    /** Another branch, tag or commit; without it the very same commit. */
    ref: z.unknown().optional(),
    ...asSubmitted,
  })
  .superRefine(({ group, tasks, cancelled }, context) => {
    const fault = (name: string, message: string): void => context.addIssue({ code: 'custom', path: [name], message });
    if (group !== undefined && tasks !== undefined) fault('tasks', 'give either a group or tasks, not both');
    if (cancelled && (group !== undefined || tasks !== undefined)) {
      fault('cancelled', 'goes with neither a group (cancelled tasks have none) nor tasks (name them there)');
    }
  });
export type RetryRequest = z.infer<typeof retryRequestSchema>;

/** Whether a task may run again: it has ended, and not well. */
export const mayRunAgain = (status: TaskStatus): boolean => status === 'FAILED' || status === 'CANCELLED';

export const TOO_MANY_TASKS = `more than ${MAX_INLINE_TASKS} tasks would run again: name some of them, or one group`;

/**
 * The retry as its user could have submitted it, its tasks left out: the job's settings, but for what is said anew. A
 * deadline has passed or was made for more, and failures were allowed among all tasks: neither is taken over.
 */
export function retryDocument(job: Job, overrides: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { commit: _commit, ...code } = job.code;
  const { name, fleet, resources, expectedSeconds, timeoutSeconds, maxDurationSeconds, retry } = job;
  const { priority, maxInstances, budgetUsd } = job;
  return {
    ...{ name, fleet, resources, expectedSeconds, timeoutSeconds, maxDurationSeconds, retry },
    ...{ priority, maxInstances, budgetUsd },
    ...Object.fromEntries(OVERRIDES.flatMap((each) => (each in overrides ? [[each, overrides[each]]] : []))),
    code: 'ref' in overrides ? { ...code, ref: overrides['ref'] } : code,
  };
}

/**
 * Whether a later run of a task is the one that counts, when the results of a chain of retries are merged: the latest
 * that completed, or, as long as none did, the latest that failed.
 */
export function laterRunCounts(before: Pick<TaskRecord, 'status'>, later: Pick<TaskRecord, 'status'>): boolean {
  if (later.status === 'COMPLETED') return true;
  return later.status === 'FAILED' && before.status !== 'COMPLETED';
}
