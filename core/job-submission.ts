/**
 * What a user may submit: `POST /v1/jobs`. Unknown fields are refused, because that catches typos; fields whose feature
 * is not there yet accept only the value that switches them off, so that nothing is silently ignored.
 */
import { z } from 'zod';
import { toAsciiJson } from './ascii-json.ts';
import { codeSchema, isList, isObject, resourcesSchema } from './code.ts';
import { FLEET_NAME, PRIORITIES } from './ids.ts';

/** SQS holds a message invisible for at most 12 h from its receipt; setup and grace need the rest. */
export const MAX_TIMEOUT_SECONDS = 11 * 3600;
export const MAX_INLINE_TASKS = 100_000;
/** An inline submission: an escaped body must still fit Lambda's 6 MB. */
export const MAX_INLINE_BYTES = 2_500_000;

const KEY = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$/;

const notYet = (what: string) => z.null({ error: `${what} is not available yet; leave it out` }).default(null);

/** The code goes into every task message: with a 16 KB input it must stay below the 64 KB that SQS bills as one. */
const MAX_CODE_BYTES = 32_768;

export const retryPolicySchema = z.strictObject({
  /** Charged attempts. Interruptions and lost machines are not charged. */
  maxAttempts: z.int().min(1).max(100).default(3),
  backoffSeconds: z.number().min(0).max(900).default(10),
  /** 75 is EX_TEMPFAIL of sysexits.h. */
  retryOnExitCodes: z.array(z.int().min(1).max(255)).max(255).default([75]),
  retryOnTimeout: z.boolean().default(false),
});
export type RetryPolicy = z.infer<typeof retryPolicySchema>;

export const taskSchema = z.strictObject({
  key: z.string().regex(KEY, 'must be 1 to 128 letters, digits and . _ : / @ + -, a letter or digit first').optional(),
  input: z
    .unknown()
    .refine((input) => input !== undefined, 'is required')
    .transform((input): unknown => input),
});
export type TaskInput = z.infer<typeof taskSchema>;

const uniqueKeys = (tasks: readonly (Partial<TaskInput> | null)[], context: z.RefinementCtx): void => {
  const first = new Map<string, number>();
  for (const [index, task] of tasks.entries()) {
    const key: unknown = task?.key;
    if (typeof key !== 'string') continue;
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, index);
    else {
      const message = `the key "${key}" is already that of tasks[${earlier}]`;
      context.addIssue({ code: 'custom', path: [index, 'key'], message });
    }
  }
};

const fleetNameSchema = z.string().regex(FLEET_NAME, 'must be the name of a fleet');
const MAX_FLEETS = 10;

const distinct = (names: readonly unknown[], context: z.RefinementCtx): void => {
  for (const [index, name] of names.entries()) {
    const first = names.indexOf(name);
    if (first === index) continue;
    context.addIssue({ code: 'custom', path: [index], message: `is named already by fleet[${first}]` });
  }
};

const fleetListSchema = z
  .array(fleetNameSchema)
  .min(1, 'needs at least one fleet')
  .max(MAX_FLEETS, `takes at most ${MAX_FLEETS} fleets`)
  .superRefine(distinct, { when: isList });

// No z.union: it would say of a list only that it is no valid input. The cast is safe because nothing else passes.
const fleetNamesSchema = (
  z
    .unknown()
    .superRefine((names, context) => {
      const faults = (Array.isArray(names) ? fleetListSchema : fleetNameSchema).safeParse(names).error?.issues ?? [];
      for (const { path, message } of faults) context.addIssue({ code: 'custom', path, message });
    })
    .meta({ type: ['string', 'array'], items: { type: 'string' } }) as z.ZodType<
    string | readonly string[],
    string | readonly string[]
  >
).transform((names) => (typeof names !== 'string' && names.length === 1 ? (names[0] ?? '') : names));

export const jobSubmissionSchema = z.strictObject({
  name: z.string().min(1).max(200).default('unnamed'),
  /** One fleet, or several that share the tasks by price and capacity. */
  fleet: fleetNamesSchema.default('default'),
  code: codeSchema.refine((code) => toAsciiJson(code).length <= MAX_CODE_BYTES, {
    error: `must not exceed ${MAX_CODE_BYTES / 1024} KB altogether`,
    when: isObject,
  }),
  tasks: z
    .array(taskSchema)
    .min(1, 'needs at least one task')
    .max(MAX_INLINE_TASKS, `takes at most ${MAX_INLINE_TASKS} tasks in one submission`)
    .superRefine(uniqueKeys, { when: isList }),
  resources: resourcesSchema.nullable().default(null),
  expectedSeconds: z.number().positive().max(MAX_TIMEOUT_SECONDS).nullable().default(null),
  timeoutSeconds: z
    .number()
    .positive()
    .max(MAX_TIMEOUT_SECONDS, `must be at most ${MAX_TIMEOUT_SECONDS} (11 hours): a lease ends after 12`)
    .default(300),
  maxDurationSeconds: z
    .int()
    .min(1)
    .max(30 * 86_400)
    .nullable()
    .default(null)
    .transform((seconds) => seconds ?? 14 * 86_400),
  /** When it is to be done: what the scaler aims at. It ends nothing. */
  deadline: z.iso
    .datetime({ offset: true, error: 'must be a moment such as 2030-01-31T18:00:00Z' })
    .nullable()
    .default(null),
  allowedFailures: z.int().min(0).max(10_000_000).default(0),
  retry: retryPolicySchema.default({
    maxAttempts: 3,
    backoffSeconds: 10,
    retryOnExitCodes: [75],
    retryOnTimeout: false,
  }),
  priority: z.enum(PRIORITIES).default('normal'),
  startAt: notYet('a start time'),
  after: z.array(z.never()).max(0, 'dependencies are not available yet; leave it out').default([]),
  maxInstances: z.int().min(1).max(10_000).nullable().default(null),
  /** Machines for it are launched only as far as this pays for them. */
  budgetUsd: z.number().positive().max(1_000_000).nullable().default(null),
  notify: z.array(z.unknown()).max(0, 'webhooks are not available yet; leave it out').default([]),
});

/** A checked submission, every default filled in. */
export type JobSubmission = z.infer<typeof jobSubmissionSchema>;
/** A submission as a user may write it. */
export type JobSubmissionDocument = z.input<typeof jobSubmissionSchema>;
