/**
 * What a user may submit: `POST /v1/jobs`. Unknown fields are refused, because that catches typos; fields whose feature
 * is not there yet accept only the value that switches them off, so that nothing is silently ignored.
 */
import { z } from 'zod';
import { toAsciiJson } from './ascii-json.ts';
import { FLEET_NAME } from './fleet.ts';
import { PRIORITIES } from './ids.ts';

/** SQS holds a message invisible for at most 12 h from its receipt; setup and grace need the rest. */
export const MAX_TIMEOUT_SECONDS = 11 * 3600;
export const MAX_INLINE_TASKS = 100_000;
/** An inline submission: an escaped body must still fit Lambda's 6 MB. */
export const MAX_INLINE_BYTES = 2_500_000;

const REF = /^(?![-/.])(?!.*(?:\.\.|\/\/|@\{|\.lock$|[/.]$))[A-Za-z0-9._/+@-]{1,255}$/;
const HTTP_REPOSITORY = /^https?:\/\/[a-z0-9.-]+(?::\d{1,5})?(?:\/(?![-.])[A-Za-z0-9._~-]+)+$/;
const FILE_REPOSITORY = /^file:\/\/(?:\/(?![-.])[A-Za-z0-9._~+-]+)+$/;
const CREDENTIAL = /^[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9._/-]{0,127}$/;
const KEY = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const RESERVED_ENV_NAME = /^(?:SHOAL_|__proto__$|constructor$|prototype$)/;

const notYet = (what: string) => z.null({ error: `${what} is not available yet; leave it out` }).default(null);

const argument = z
  .string()
  .max(8_192)
  .refine((text) => !text.includes('\0'), 'must not contain NUL');

/** Some checks look at a document that has other faults already, so that all faults are named at once. */
const isList = ({ value }: { value: unknown }): boolean => Array.isArray(value);
const isObject = ({ value }: { value: unknown }): boolean => typeof value === 'object' && value !== null;

function checkEnv(env: unknown, context: z.RefinementCtx): void {
  if (!isObject({ value: env }) || isList({ value: env })) {
    context.addIssue({ code: 'custom', message: 'must be an object of names and strings' });
    return;
  }
  for (const [name, value] of Object.entries(env as object)) {
    const fault = (message: string): void => context.addIssue({ code: 'custom', path: [name], message });
    if (RESERVED_ENV_NAME.test(name)) fault('is a reserved name');
    else if (!ENV_NAME.test(name)) fault('must be letters, digits and _, not a digit first');
    for (const issue of argument.safeParse(value).error?.issues ?? []) fault(issue.message);
  }
  if (JSON.stringify(env).length > 16_384) {
    context.addIssue({ code: 'custom', message: 'must not exceed 16 KB altogether' });
  }
}

// No z.record: it drops a `__proto__` without a word. The cast is safe because checkEnv passes nothing else.
const envSchema = (
  z
    .unknown()
    .superRefine(checkEnv)
    .meta({ type: 'object', additionalProperties: { type: 'string' } }) as z.ZodType<
    Record<string, string>,
    Record<string, string>
  >
).default({});

export const codeSchema = z.strictObject({
  repository: z
    .string()
    .max(500)
    // The alphabet alone lets through port 99999 and host 256.256.256.256, which no URL parser takes.
    .refine((url) => (HTTP_REPOSITORY.test(url) || FILE_REPOSITORY.test(url)) && URL.canParse(url), {
      error: 'must be a repository address such as https://github.com/acme/word-count',
    }),
  ref: z
    .string()
    .regex(REF, 'must be a branch, a tag or a commit, such as main, v1.2 or a 40-digit SHA')
    .default('HEAD'),
  /** The name of a secret that lets us read a private repository; never the secret itself. */
  credential: z
    .string()
    .regex(CREDENTIAL, 'must be the name of a secret: letters, digits and . _ / -, such as github/acme')
    .nullable()
    .default(null),
  /** Submodules are fetched only when asked for: each is one more repository to trust. */
  submodules: z.boolean().default(false),
  setup: z
    .string()
    .min(1)
    .max(4_096)
    .refine((text) => !/[\0\r\n]/.test(text), 'must be one line')
    .nullable()
    .default(null),
  run: z
    .array(argument, { error: 'must be a list of strings: the command and its arguments' })
    .min(1, 'needs at least the command')
    .max(100)
    .refine((run) => run[0] !== '', { path: [0], error: 'must not be empty', when: isList }),
  setupTimeoutSeconds: z.number().positive().max(3_600).default(600),
  /** `process`: the command is started once a task. `jsonl`: once a slot, and fed one JSON line a task. */
  protocol: z.enum(['process', 'jsonl'], { error: 'must be "process" or "jsonl"' }).default('process'),
  env: envSchema,
});
/** The code goes into every task message: with a 16 KB input it must stay below the 64 KB that SQS bills as one. */
const MAX_CODE_BYTES = 32_768;

/** What one task takes of its machine. */
export const resourcesSchema = z.strictObject({
  vcpu: z.number().positive().max(448).default(1),
  memoryMiB: z.int().positive().max(24_576_000).default(1024),
  diskGiB: z.int().positive().max(16_384).default(5),
});
export type Resources = z.infer<typeof resourcesSchema>;

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

export const jobSubmissionSchema = z.strictObject({
  name: z.string().min(1).max(200).default('unnamed'),
  fleet: z.string().regex(FLEET_NAME, 'must be the name of a fleet').default('default'),
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
