/** What travels on queues. Unknown fields are ignored, so that versions can roll; bodies are ASCII-escaped JSON. */
import { z } from 'zod';
import { pinnedCodeSchema, resourcesSchema } from './code.ts';
import { FLEET_NAME, PRIORITIES } from './ids.ts';
import { INSTANCE_STATES } from './instance.ts';
import { checkpointSchema, failureSchema, idSchema, logSchema, resultSchema, textSchema } from './task.ts';

/** Inputs above this many bytes of JSON go by reference: chunk file and line. */
export const MAX_MESSAGE_INPUT_BYTES = 16 * 1024;
/** SQS bills a request per 64 KB. */
export const BILLED_MESSAGE_BYTES = 64 * 1024;
/** Results up to this many bytes of JSON live in the task's row. */
export const MAX_INLINE_RESULT_BYTES = 4 * 1024;

const version = z.literal(1);

/** One task for one agent. Either `input` or `inputRef` is there. */
export const taskMessageSchema = z
  .object({
    v: version,
    jobId: z.string(),
    taskId: z.string(),
    key: z.string().optional(),
    attempt: z.int().positive(),
    fleet: z.string().regex(FLEET_NAME),
    priority: z.enum(PRIORITIES),
    input: z.unknown().optional(),
    /** Chunk file and line; with `range` only those bytes of the file need to be read. */
    inputRef: z
      .object({
        blob: z.string(),
        line: z.int().nonnegative(),
        range: z.object({ offset: z.int().nonnegative(), bytes: z.int().positive() }).optional(),
      })
      .optional(),
    code: z.object(pinnedCodeSchema.omit({ ref: true }).shape),
    /** What one task takes of its machine; a slot of the fleet when absent. */
    resources: z.object(resourcesSchema.shape).optional(),
    timeoutSeconds: z.number().positive(),
    /** What the attempt before left for this one: a blob. */
    checkpointRef: z.string().optional(),
  })
  .refine((message) => (message.input === undefined) !== (message.inputRef === undefined), {
    error: 'needs either input or inputRef',
  });
export type TaskMessage = z.infer<typeof taskMessageSchema>;

/** A task message that is to wait: the backoff of a retry. What is due is forwarded to its fleet's queue. */
export const delayedMessageSchema = z.object({ message: taskMessageSchema, dueAt: z.iso.datetime() });
export type DelayedMessage = z.infer<typeof delayedMessageSchema>;

/** No message lives longer than 14 days, so no attempt takes longer. */
export const MAX_ATTEMPT_SECONDS = 14 * 86_400;
/** How long an attempt took: no store takes any number. */
const seconds = z.number().nonnegative().max(MAX_ATTEMPT_SECONDS);

/** Every report on a task says which attempt, which delivery of it and which lease it speaks of. */
const report = {
  taskId: z.string(),
  jobId: z.string(),
  attempt: z.int().positive(),
  receiveCount: z.int().positive(),
  leaseId: idSchema,
  instanceId: idSchema,
  at: z.iso.datetime(),
};

/** What the command printed, where that was anything but its result. */
const output = { log: logSchema.optional() };
/** What it left for the next attempt. */
const leftover = { checkpoint: checkpointSchema.optional() };

export const startedEventSchema = z.object({
  kind: z.literal('started'),
  ...report,
  /** With it the control plane can return the lease of a machine that vanished. */
  receiptHandle: z.string().max(4_096).optional(),
});
export const completedEventSchema = z.object({
  kind: z.literal('completed'),
  ...report,
  seconds,
  ...output,
  result: resultSchema,
});
export const failedEventSchema = z.object({
  kind: z.literal('failed'),
  ...report,
  seconds,
  ...output,
  ...leftover,
  failure: failureSchema,
});
/** The lease was given back before the attempt came to an end: never charged. */
export const releasedEventSchema = z.object({
  kind: z.literal('released'),
  ...report,
  seconds,
  ...output,
  ...leftover,
  cause: z.enum(['interrupted', 'draining', 'cancelled', 'machine']),
  reason: textSchema,
});
export const instanceEventSchema = z.object({
  kind: z.literal('instance'),
  instanceId: idSchema,
  fleet: z.string().regex(FLEET_NAME),
  state: z.enum(INSTANCE_STATES),
  reason: textSchema.nullable(),
  at: z.iso.datetime(),
  slots: z.int().positive().optional(),
  /** When its lifetime ends. */
  expiresAt: z.iso.datetime().optional(),
});

export const taskEventSchema = z.discriminatedUnion('kind', [
  startedEventSchema,
  completedEventSchema,
  failedEventSchema,
  releasedEventSchema,
]);
export const statusEventSchema = z.discriminatedUnion('kind', [
  startedEventSchema,
  completedEventSchema,
  failedEventSchema,
  releasedEventSchema,
  instanceEventSchema,
]);
export const statusMessageSchema = z.object({
  v: version,
  /** Who packed it: an instance, a bridge. */
  source: z.string(),
  events: z.array(statusEventSchema).min(1),
});

export type TaskEvent = z.infer<typeof taskEventSchema>;
export type InstanceEvent = z.infer<typeof instanceEventSchema>;
export type StatusEvent = z.infer<typeof statusEventSchema>;
export type StatusMessage = z.infer<typeof statusMessageSchema>;
