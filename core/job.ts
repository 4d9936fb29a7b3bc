/**
 * One submission: code, inputs, limits, retry policy.
 * `PENDING → ENQUEUED → RUNNING ⇄ PAUSED → (CANCELLING) → COMPLETED │ FAILED │ CANCELLED`.
 */
import { z } from 'zod';
import { pinnedCodeSchema } from './code.ts';
import { PRIORITIES, type Priority } from './ids.ts';
import { jobSubmissionSchema } from './job-submission.ts';
import { moveMarkSchema, placementSchema } from './placement.ts';

export const JOB_STATUSES = [
  'PENDING',
  'ENQUEUED',
  'RUNNING',
  'PAUSED',
  'CANCELLING',
  'COMPLETED',
  'FAILED',
  'CANCELLED',
] as const;
export const jobStatusSchema = z.enum(JOB_STATUSES);
export type JobStatus = z.infer<typeof jobStatusSchema>;

const CLOSED: ReadonlySet<JobStatus> = new Set(['COMPLETED', 'FAILED', 'CANCELLED']);
/** A closed job takes no event any more: its tasks have all ended, or its counters are fenced. */
export const isClosed = (status: JobStatus): boolean => CLOSED.has(status);

/** A machine could not run a task, through no fault of the task: setup failed, the repository is gone, the disk is full. */
export const jobProblemSchema = z.object({
  at: z.iso.datetime(),
  /** `null`: the machine never got so far as to take one. */
  taskId: z.string().nullable(),
  /** `null`: there was no machine to be had. */
  instanceId: z.string().nullable(),
  reason: z.string(),
  /** How many tasks had ended by then: has one since, the trouble is over. */
  tasksEnded: z.int().nonnegative().default(0),
  /** How often in a row, with no task ending in between, since when, and on which machines: two at most are named. */
  count: z.int().nonnegative().default(0),
  since: z.iso.datetime().nullable().default(null),
  machines: z.array(z.string()).default([]),
  /** It will not pass: the job is given up (core/machine-trouble.ts). */
  hopeless: z.boolean().default(false),
});
export type JobProblem = z.infer<typeof jobProblemSchema>;

/**
 * The sweep's two looks (core/plan-sweep.ts): at `quietAt` no message of the job waited on any queue; what nobody has
 * heard of since, a whole lease later, is lost.
 */
export const sweepMarkSchema = z.object({
  quietAt: z.iso.datetime().nullable(),
  /** When tasks without a row were last sent again. */
  sentAt: z.iso.datetime().nullable(),
  /** The chunk to look at next. */
  chunk: z.int().nonnegative(),
});
export type SweepMark = z.infer<typeof sweepMarkSchema>;

const settings = jobSubmissionSchema.shape;

/** A job as it is stored; unlike a submission it names no tasks, only their number. */
export const jobSchema = z.object({
  jobId: z.string(),
  name: z.string(),
  status: jobStatusSchema,
  /** Why it is in this status, in a sentence for people. */
  statusReason: z.string().nullable(),
  /** As it was submitted: one fleet, or several that share its tasks. */
  fleet: z.union([z.string(), z.array(z.string()).min(1).readonly()]),
  /** Of several fleets: which has which tasks. Closed jobs keep it. */
  placement: placementSchema.nullable().default(null),
  /** How far tasks of fleets that it left were sent again; `null`: it left none. */
  moved: moveMarkSchema.nullable().default(null),
  code: z.object(pinnedCodeSchema.shape),
  taskCount: z.int().positive(),
  /** Whether any task has a key of its own; only then are inputs read to show one. */
  keyed: z.boolean(),
  resources: settings.resources,
  expectedSeconds: settings.expectedSeconds,
  timeoutSeconds: settings.timeoutSeconds,
  maxDurationSeconds: z.int().positive(),
  allowedFailures: settings.allowedFailures,
  retry: settings.retry,
  priority: settings.priority,
  /** Every one that it has had, once it was changed: what was sent before stays on its queue. */
  priorities: z.array(z.enum(PRIORITIES)).default([]),
  maxInstances: settings.maxInstances,
  deadline: z.string().nullable().default(null),
  budgetUsd: z.number().nullable().default(null),
  /** Seconds a task in earlier jobs of the same code and command, when it was taken; `null`: there were none. */
  learnedSeconds: z.number().nullable().default(null),
  /** What it is paused for: its budget is spent, or somebody asked; `null` while it is not. */
  pausedFor: z.enum(['budget', 'request']).nullable().default(null),
  /** The job whose failed tasks this one runs again. */
  retryOf: z.string().nullable().default(null),
  /** The first job of its chain of retries, whose tasks all of them run; `null` for a first one. */
  rootJobId: z.string().nullable().default(null),
  /** Of a first job: every job of its chain, the oldest first. */
  retries: z.array(z.string()).default([]),
  createdAt: z.iso.datetime(),
  /** When its last task was put on the queue. */
  enqueuedAt: z.iso.datetime().nullable().default(null),
  /** What the sweep has seen: how far it got in finding lost tasks. */
  sweep: sweepMarkSchema.nullable().default(null),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
  /** The latest trouble that a machine had with this job's tasks: why it does not get on, when it does not. */
  problem: jobProblemSchema.nullable().default(null),
  /** The token that the state machine waits for; absent until it waits. */
  taskToken: z.string().nullable(),
  /** What it waits for: the job's completion or, in a cancelled one, its machines' last reports. */
  awaits: z.enum(['completion', 'machines']).default('completion'),
});
export type Job = z.infer<typeof jobSchema>;

/** On the queues of which priorities messages of it may be, the highest first. */
export const prioritiesOf = ({ priority, priorities }: Pick<Job, 'priority' | 'priorities'>): readonly Priority[] =>
  PRIORITIES.filter((each) => each === priority || priorities.includes(each));

/** What a list of jobs shows. */
export type JobSummary = Pick<
  Job,
  | 'jobId'
  | 'name'
  | 'status'
  | 'statusReason'
  | 'fleet'
  | 'taskCount'
  | 'createdAt'
  | 'startedAt'
  | 'finishedAt'
  | 'priority'
>;
