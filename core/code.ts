/**
 * The code of a job, and what one task of it takes: what a submission says of them, what every task message carries. Apart
 * from the rest of a submission, because every machine reads it when it starts.
 */
import { z } from 'zod';
import { repositorySchema } from './repository.ts';

const REF = /^(?![-/.])(?!.*(?:\.\.|\/\/|@\{|\.lock$|[/.]$))[A-Za-z0-9._/+@-]{1,255}$/;
const CREDENTIAL = /^[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9._/-]{0,127}$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const RESERVED_ENV_NAME = /^(?:SHOAL_|__proto__$|constructor$|prototype$)/;

const argument = z
  .string()
  .max(8_192)
  .refine((text) => !text.includes('\0'), 'must not contain NUL');

/** Some checks look at a document that has other faults already, so that all faults are named at once. */
export const isList = ({ value }: { value: unknown }): boolean => Array.isArray(value);
export const isObject = ({ value }: { value: unknown }): boolean => typeof value === 'object' && value !== null;

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
  repository: repositorySchema,
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

/** The code of a job, its ref pinned to one commit. */
export const pinnedCodeSchema = codeSchema.extend({ commit: z.string().regex(/^[0-9a-f]{40}$/) });

/** What one task takes of its machine. */
export const resourcesSchema = z.strictObject({
  vcpu: z.number().positive().max(448).default(1),
  memoryMiB: z.int().positive().max(24_576_000).default(1024),
  diskGiB: z.int().positive().max(16_384).default(5),
});
export type Resources = z.infer<typeof resourcesSchema>;
