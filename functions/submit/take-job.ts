/**
 * Takes a job in that was checked: inputs → job row (and idempotency record, together) → execution → wake the scaler.
 * Until the row is written nothing counts; after it the job exists, and every later step may be done again.
 */
import { createHash } from 'node:crypto';
import { inParallel } from '../../adapters/in-parallel.ts';
import { ConflictError, TransientError } from '../../core/errors.ts';
import type { Estimate, MeasuredSeconds } from '../../core/estimate.ts';
import type { SplitEstimate } from '../../core/estimate-split.ts';
import type { Fleet } from '../../core/fleet.ts';
import { blobKeys, CHUNK_SIZE, chunksOf, jobIdFromUlid } from '../../core/ids.ts';
import type { Job } from '../../core/job.ts';
import type { Placement } from '../../core/placement.ts';
import type { BlobStore, IdempotencyRecord, JobMachine, Waker } from '../../core/ports.ts';
import { type JobLinks, jobLinks } from '../http/job-links.ts';
import { HttpError } from '../http/problem.ts';
import type { CheckedSubmission } from './check-submission.ts';
import { type EstimatePorts, estimateSubmission } from './estimate-submission.ts';

const IDEMPOTENCY_HOURS = 24;
const INPUT_UPLOADS_AT_ONCE = 8;

export interface SubmitPorts extends EstimatePorts {
  readonly blobs: BlobStore;
  readonly machine: JobMachine;
  readonly waker: Waker;
  readonly ulid: (timeMs: number) => string;
}

export interface TakeRequest {
  /** Everything that makes two requests the same. */
  readonly request: unknown;
  readonly keyId: string;
  readonly idempotencyKey: string | undefined;
}

/** A job that may be taken. */
export interface CheckedJob extends CheckedSubmission {
  readonly retry?: RetryOrigin;
}

/** Where the tasks of a retry come from. */
export interface RetryOrigin {
  readonly jobId: string;
  readonly rootJobId: string;
  /** For each of its tasks the index that it has in the first job of the chain. */
  readonly origins: readonly number[];
}

export interface SubmitAnswer {
  readonly jobId: string;
  readonly taskCount: number;
  /** Of a retry: the job whose tasks it runs again. */
  readonly retryOf?: string;
  /** `null`: prices or earlier jobs could not be read at that moment. */
  readonly estimate: Estimate | SplitEstimate | null;
  readonly links: JobLinks;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * @param check is not called for a request that was answered before
 * @throws HttpError 422 when the idempotency key came with another request before; TransientError when a service does
 *   not answer, before the job is written; whatever `check` throws
 */
export async function takeJob(
  request: TakeRequest,
  check: () => Promise<CheckedJob>,
  fleets: readonly Fleet[],
  ports: SubmitPorts,
): Promise<SubmitAnswer> {
  const idempotency = idempotencyOf(request);
  const earlier = idempotency && (await ports.jobs.findIdempotency(idempotency.id, ports.clock.now()));
  if (earlier) return replay(earlier, idempotency.requestHash, ports);

  const checked = await check();
  const { measured, estimate, placement } = await estimateSubmission(checked.submission, fleets, ports);
  const job = newJob(checked, measured, placement, ports);
  const answer = answerOf(job, estimate);
  await writeInputs(job, checked, ports.blobs);
  const record = idempotency && {
    ...idempotency,
    jobId: job.jobId,
    answer: JSON.stringify(answer),
    expiresAt: new Date(Date.parse(job.createdAt) + IDEMPOTENCY_HOURS * 3_600_000).toISOString(),
  };
  if (!(await ports.jobs.create(job, record))) {
    // The same request runs elsewhere at this moment, and came first.
    const first = record && (await ports.jobs.findIdempotency(record.id, ports.clock.now()));
    if (!first) throw new ConflictError('the same request is being processed; try again');
    return replay(first, record.requestHash, ports);
  }
  await startOrLeave(job, ports);
  await ports.waker.wake();
  return answer;
}

/**
 * A job is taken once its row is written: the scaler starts what cannot be started now. Told as a failure, it would be
 * submitted again, and run twice.
 */
async function startOrLeave(job: Job, { machine }: SubmitPorts): Promise<void> {
  try {
    await machine.start(job);
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
  }
}

function idempotencyOf({ request, keyId, idempotencyKey }: TakeRequest) {
  if (idempotencyKey === undefined) return null;
  if (!/^[\x21-\x7e]{1,255}$/.test(idempotencyKey)) {
    throw new HttpError(400, 'Idempotency-Key must be 1 to 255 printable ASCII characters');
  }
  return { id: sha256(`${keyId}\n${idempotencyKey}`), requestHash: sha256(JSON.stringify(request)) };
}

/** The same answer again. A run that died between row and execution is made good here. */
async function replay(record: IdempotencyRecord, requestHash: string, ports: SubmitPorts): Promise<SubmitAnswer> {
  if (record.requestHash !== requestHash) {
    throw new HttpError(422, 'this Idempotency-Key was used with another body');
  }
  const progress = await ports.jobs.progress(record.jobId);
  if (progress?.job.status === 'PENDING') await startOrLeave(progress.job, ports);
  return JSON.parse(record.answer); // written by us, from a SubmitAnswer
}

function newJob(
  { submission, commit, retry }: CheckedJob,
  measured: MeasuredSeconds | null,
  placement: Placement | null,
  { clock, ulid }: SubmitPorts,
): Job {
  const { tasks, code, startAt: _s, after: _a, notify: _n, ...settings } = submission;
  const now = clock.now();
  return {
    ...settings,
    jobId: jobIdFromUlid(ulid(now.getTime())),
    status: 'PENDING',
    statusReason: null,
    code: { ...code, commit },
    taskCount: tasks.length,
    keyed: tasks.some((task) => task.key !== undefined),
    createdAt: now.toISOString(),
    startedAt: null,
    finishedAt: null,
    problem: null,
    learnedSeconds: measured?.seconds ?? null,
    pausedFor: null,
    taskToken: null,
    awaits: 'completion',
    retryOf: retry?.jobId ?? null,
    rootJobId: retry?.rootJobId ?? null,
    retries: [],
    priorities: [],
    enqueuedAt: null,
    sweep: null,
    placement,
    moved: null,
  };
}

/** One file a chunk, one line a task. */
async function writeInputs(job: Job, { submission, retry }: CheckedJob, blobs: BlobStore): Promise<void> {
  await inParallel(chunksOf(submission.tasks.length), INPUT_UPLOADS_AT_ONCE, async (chunk) => {
    const tasks = submission.tasks.slice(chunk * CHUNK_SIZE, (chunk + 1) * CHUNK_SIZE);
    const lines = tasks.map((task) => `${JSON.stringify(task)}\n`).join('');
    await blobs.put(blobKeys.inputs(job.jobId, chunk), lines, 'application/x-ndjson');
  });
  if (retry) await blobs.put(blobKeys.origins(job.jobId), JSON.stringify(retry.origins), 'application/json');
}

const answerOf = ({ jobId, taskCount, retryOf }: Job, estimate: SubmitAnswer['estimate']): SubmitAnswer => ({
  jobId,
  taskCount,
  ...(retryOf ? { retryOf } : {}),
  estimate,
  links: jobLinks(jobId),
});
