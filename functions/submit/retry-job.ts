/**
 * `POST /v1/jobs/{jobId}/retry`: a new job with the failed tasks of another, on the same commit or another one. The job
 * that they come from is not touched, and need not have ended. A task that is retried twice runs twice.
 */
import { counted } from '../../core/counted.ts';
import { ConflictError, type Fault, NotFoundError, ValidationError } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import { MAX_RETRIES_OF_A_JOB, retryDocument, retryRequestSchema } from '../../core/job-retry.ts';
import type { JobProgress, TaskStore } from '../../core/ports.ts';
import { faultsOf } from '../../core/validation.ts';
import { readOrigins } from '../task-origins.ts';
import { type CheckedSubmission, checkSubmission, type SubmissionRules } from './check-submission.ts';
import { readInputs, selectTasks } from './retry-tasks.ts';
import { type CheckedJob, type SubmitAnswer, type SubmitPorts, takeJob } from './take-job.ts';

export interface RetryPorts extends SubmitPorts {
  readonly tasks: TaskStore;
}

export interface RetryJobRequest {
  readonly jobId: string;
  readonly document: unknown;
  readonly keyId: string;
  readonly idempotencyKey: string | undefined;
}

/**
 * @throws NotFoundError when there is no such job; ValidationError with every fault; ConflictError when nothing is to be
 *   run again; HttpError 422 when the idempotency key came with another request before; TransientError
 */
export const retryJob = (
  { jobId, document, keyId, idempotencyKey }: RetryJobRequest,
  rules: SubmissionRules,
  ports: RetryPorts,
): Promise<SubmitAnswer> =>
  takeJob(
    { request: { retry: jobId, document }, keyId, idempotencyKey },
    () => check(jobId, document, rules, ports),
    rules.fleets,
    ports,
  );

async function check(jobId: string, document: unknown, rules: SubmissionRules, ports: RetryPorts): Promise<CheckedJob> {
  const progress = await ports.jobs.progress(jobId);
  if (!progress) throw new NotFoundError('there is no such job', { context: { jobId } });
  const { job } = progress;
  const [settings, selection] = await Promise.all([
    checkSettings(job, document, rules, ports.clock.now()),
    select(progress, document, ports.tasks),
  ]);
  const faults = [...selection.faults, ...settings.faults];
  if (!settings.checked || faults.length > 0) {
    throw new ValidationError(`the retry has ${counted(faults.length, 'fault')}`, faults);
  }
  const rootJobId = await rootOf(job, ports);
  const [tasks, origins] = await Promise.all([
    readInputs(job, selection.indexes, ports.blobs),
    originsOf(job, selection.indexes, ports),
  ]);
  const { submission, commit } = settings.checked;
  return { submission: { ...submission, tasks }, commit, retry: { jobId, rootJobId, origins } };
}

async function select(progress: JobProgress, document: unknown, tasks: TaskStore) {
  const parsed = retryRequestSchema.safeParse(document);
  return parsed.success ? selectTasks(progress, parsed.data, tasks) : { indexes: [], faults: faultsOf(parsed.error) };
}

/** What of the job is said anew is checked as in a submission; its tasks were, when they were submitted. */
async function checkSettings(
  job: Job,
  document: unknown,
  rules: SubmissionRules,
  now: Date,
): Promise<{ checked: CheckedSubmission | null; faults: readonly Fault[] }> {
  const overrides = typeof document === 'object' && document !== null ? { ...document } : {};
  const submission = { ...retryDocument(job, overrides), tasks: [{ input: null }] };
  const resolver = 'ref' in overrides ? rules.resolver : { resolve: async () => resolvedTo(job) };
  try {
    return { checked: await checkSubmission(submission, { ...rules, resolver }, now), faults: [] };
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    const faults = error.faults.map(({ path, message }) => ({ path: path === 'code.ref' ? 'ref' : path, message }));
    return { checked: null, faults };
  }
}

const resolvedTo = ({ code }: Job) => ({ kind: 'resolved', commit: code.commit }) as const;

/** The first job of the chain, which keeps the list of its retries. */
async function rootOf(job: Job, { jobs }: RetryPorts): Promise<string> {
  const root = job.rootJobId === null ? job : (await jobs.progress(job.rootJobId))?.job;
  if (!root) throw new ConflictError('the first job of this chain of retries is kept no longer');
  if (root.retries.length >= MAX_RETRIES_OF_A_JOB) {
    throw new ConflictError(`this job was retried ${MAX_RETRIES_OF_A_JOB} times already: submit a new one`);
  }
  return root.jobId;
}

async function originsOf(job: Job, indexes: readonly number[], { blobs }: RetryPorts): Promise<readonly number[]> {
  if (job.rootJobId === null) return indexes;
  const origins = await readOrigins(job, blobs);
  if (!origins) throw new ConflictError('the inputs of this job are kept no longer', { context: { jobId: job.jobId } });
  return indexes.flatMap((index) => origins[index] ?? []);
}
