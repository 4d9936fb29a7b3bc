/**
 * One JSON input of a job. `PENDING ⇄ RUNNING → COMPLETED │ FAILED │ CANCELLED`.
 * A task without a row is PENDING (CANCELLED, once its job is closed): the first event creates the row.
 */
import { z } from 'zod';
import { parseTaskId } from './ids.ts';

export const TASK_STATUSES = ['PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'] as const;
export const taskStatusSchema = z.enum(TASK_STATUSES);
export type TaskStatus = z.infer<typeof taskStatusSchema>;

const TERMINAL: ReadonlySet<TaskStatus> = new Set(['COMPLETED', 'FAILED', 'CANCELLED']);
/** Terminal states absorb. */
export const isTerminal = (status: TaskStatus): boolean => TERMINAL.has(status);

/** What people are told in a row; more of it is cut off: a row holds 400 KB at most, and those of 99 tasks 4 MB. */
const MAX_TEXT_CHARACTERS = 4_000;
export const textSchema = z.string().overwrite((text) => text.slice(0, MAX_TEXT_CHARACTERS));
/** Ids of leases and machines, whoever made them. */
export const idSchema = z.string().min(1).max(200);
/** The key of a blob: S3 allows no longer ones. */
const blobKeySchema = z.string().max(1_024);
/** A result in a row. Agents put at most 4 KB there (`MAX_INLINE_RESULT_BYTES`). */
const MAX_RESULT_CHARACTERS = 16_384;

/** Why an attempt failed. `code` is for programs, `message` for people. */
export const failureSchema = z.object({
  code: z.enum([
    'exit',
    'signal',
    'timeout',
    'command-not-found',
    'command-not-executable',
    'result-invalid',
    'result-too-large',
    'input-unavailable',
    'released-too-often',
    'poison',
    'reported',
  ]),
  message: textSchema,
  exitCode: z.int().optional(),
  /** Of a failure that the command reported itself: whether it wants to be tried again. */
  retry: z.boolean().optional(),
  signal: z.string().max(40).optional(),
  stderrTail: textSchema.optional(),
});
export type Failure = z.infer<typeof failureSchema>;

/** A result: small ones live in the row as JSON text, larger ones in a blob. */
export const resultSchema = z.union([
  z.object({ json: z.string().max(MAX_RESULT_CHARACTERS) }),
  z.object({ blob: blobKeySchema, bytes: z.int().nonnegative() }),
]);
export type TaskResult = z.infer<typeof resultSchema>;

/** What a command printed on stdout and stderr, in a blob; the middle may have been left out. */
export const logSchema = z.object({ blob: blobKeySchema, bytes: z.int().nonnegative(), truncated: z.boolean() });
export type TaskLog = z.infer<typeof logSchema>;

/** What a command wrote to `$SHOAL_CHECKPOINT_FILE` before it was stopped, in a blob. */
export const checkpointSchema = z.object({ blob: blobKeySchema, bytes: z.int().nonnegative() });
export type Checkpoint = z.infer<typeof checkpointSchema>;

/** How an attempt ended, kept on the task. `lost`: its lease ended without a word; the attempt goes on elsewhere. */
export const endedAttemptSchema = z.object({
  attempt: z.int().positive(),
  leaseId: z.string(),
  instanceId: z.string(),
  outcome: z.enum(['completed', 'failed', 'released', 'lost', 'cancelled']),
  /** Whether it used up one of the job's `maxAttempts`; an attempt that completed did not. */
  charged: z.boolean(),
  reason: z.string().nullable(),
  exitCode: z.int().nullable(),
  seconds: z.number().nonnegative(),
  endedAt: z.iso.datetime(),
  /** Its share of its machine's price; absent when that is not known. */
  costUsd: z.number().nonnegative().optional(),
  log: logSchema.optional(),
});
export type EndedAttempt = z.infer<typeof endedAttemptSchema>;

/** A report that was not applied, because it speaks of a lease that no longer counts: kept as evidence. */
export const staleReportSchema = z.object({
  kind: z.string(),
  attempt: z.int().positive(),
  leaseId: z.string(),
  instanceId: z.string(),
  at: z.iso.datetime(),
  reason: z.string(),
});
export type StaleReport = z.infer<typeof staleReportSchema>;

export const taskRecordSchema = z.object({
  taskId: z.string(),
  jobId: z.string(),
  index: z.int().nonnegative(),
  status: taskStatusSchema,
  /** The current attempt, numbered from 1 by the control plane: a fencing number. */
  attempt: z.int().positive(),
  chargedAttempts: z.int().nonnegative(),
  unchargedAttempts: z.int().nonnegative(),
  /** The lease that runs the current attempt, as far as is known, and its receive count. */
  leaseId: z.string().nullable(),
  receiveCount: z.int().nonnegative(),
  instanceId: z.string().nullable(),
  /** With it the lease of a machine that vanished is given back at once; known of announced starts only. */
  receiptHandle: z.string().nullable(),
  /** Leases of the current attempt that ended without a word, after their start was announced. */
  lostLeases: z.int().nonnegative(),
  /** The lease whose failure or release made the current attempt: a redelivery of that report sends again. */
  causedByLeaseId: z.string().nullable(),
  /** Before it the current attempt is not to start: its backoff. */
  dueAt: z.iso.datetime().nullable(),
  /** Where the next attempt goes on. */
  checkpoint: checkpointSchema.nullable(),
  /** Somebody asked for the end of this one task while it ran. */
  cancelRequested: z.boolean(),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
  result: resultSchema.nullable(),
  failure: failureSchema.nullable(),
  attempts: z.array(endedAttemptSchema),
  /** The first few; later ones are only counted by a metric. */
  staleReports: z.array(staleReportSchema),
  /** When the control plane last heard of it. */
  updatedAt: z.iso.datetime().nullable(),
  /** Grows by one with every write: the compare-and-set of the store. */
  version: z.int().positive(),
});
export type TaskRecord = z.infer<typeof taskRecordSchema>;

/** A task before its first event. @throws RangeError if that is no task id */
export function untouchedTask({ taskId }: Pick<TaskRecord, 'taskId'>): TaskRecord {
  const position = parseTaskId(taskId);
  if (!position) throw new RangeError(`not a task id: ${taskId}`);
  return {
    taskId,
    jobId: position.jobId,
    index: position.index,
    status: 'PENDING',
    attempt: 1,
    chargedAttempts: 0,
    unchargedAttempts: 0,
    leaseId: null,
    receiveCount: 0,
    instanceId: null,
    receiptHandle: null,
    lostLeases: 0,
    causedByLeaseId: null,
    dueAt: null,
    checkpoint: null,
    cancelRequested: false,
    startedAt: null,
    finishedAt: null,
    result: null,
    failure: null,
    attempts: [],
    staleReports: [],
    updatedAt: null,
    version: 1,
  };
}
