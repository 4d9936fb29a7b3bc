/**
 * One JSON input of a job. `PENDING ⇄ RUNNING → COMPLETED │ FAILED │ CANCELLED`.
 * A task without a row is PENDING (CANCELLED, once its job is closed): the first event creates the row.
 */
import { z } from 'zod';

export const TASK_STATUSES = ['PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'] as const;
export const taskStatusSchema = z.enum(TASK_STATUSES);
export type TaskStatus = z.infer<typeof taskStatusSchema>;

const TERMINAL: ReadonlySet<TaskStatus> = new Set(['COMPLETED', 'FAILED', 'CANCELLED']);
/** Terminal states absorb. */
export const isTerminal = (status: TaskStatus): boolean => TERMINAL.has(status);

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
    'reported',
  ]),
  message: z.string(),
  exitCode: z.int().optional(),
  /** Of a failure that the command reported itself: whether it wants to be tried again. */
  retry: z.boolean().optional(),
  signal: z.string().optional(),
  stderrTail: z.string().optional(),
});
export type Failure = z.infer<typeof failureSchema>;

/** A result: small ones live in the row as JSON text, larger ones in a blob. */
export const resultSchema = z.union([
  z.object({ json: z.string() }),
  z.object({ blob: z.string(), bytes: z.int().nonnegative() }),
]);
export type TaskResult = z.infer<typeof resultSchema>;

/** What a command printed on stdout and stderr, in a blob; the middle may have been left out. */
export const logSchema = z.object({ blob: z.string(), bytes: z.int().nonnegative(), truncated: z.boolean() });
export type TaskLog = z.infer<typeof logSchema>;

/** How an attempt ended, kept on the task. */
export const endedAttemptSchema = z.object({
  attempt: z.int().positive(),
  leaseId: z.string(),
  instanceId: z.string(),
  outcome: z.enum(['completed', 'failed', 'released', 'cancelled']),
  /** Whether it used up one of the job's `maxAttempts`; an attempt that completed did not. */
  charged: z.boolean(),
  reason: z.string().nullable(),
  exitCode: z.int().nullable(),
  seconds: z.number().nonnegative(),
  endedAt: z.iso.datetime(),
  log: logSchema.optional(),
});
export type EndedAttempt = z.infer<typeof endedAttemptSchema>;

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
  /** The lease whose failure or release made the current attempt: a redelivery of that report sends again. */
  causedByLeaseId: z.string().nullable(),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
  result: resultSchema.nullable(),
  failure: failureSchema.nullable(),
  attempts: z.array(endedAttemptSchema),
  /** Grows by one with every write: the compare-and-set of the store. */
  version: z.int().positive(),
});
export type TaskRecord = z.infer<typeof taskRecordSchema>;
