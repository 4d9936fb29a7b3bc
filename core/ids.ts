/** How things are named. `jobId` = `job_` + ULID, `taskId` = `{jobId}-{index}`; a chunk is 1,000 tasks. */

/** Tasks in one chunk: one input file, one partition of task rows, one step of the state machine. */
export const CHUNK_SIZE = 1_000;

const JOB_ID = /^job_[0-9A-HJKMNP-TV-Z]{26}$/;
const TASK_ID = /^(job_[0-9A-HJKMNP-TV-Z]{26})-(0|[1-9]\d{0,6})$/;

export interface TaskPosition {
  readonly jobId: string;
  /** Zero-based place of the task in its job. */
  readonly index: number;
}

export const jobIdFromUlid = (ulid: string): string => `job_${ulid}`;
export const isJobId = (text: string): boolean => JOB_ID.test(text);
export const taskIdOf = (jobId: string, index: number): string => `${jobId}-${index}`;

/** The job and index that a task id names, or `undefined` if the text is not a task id. */
export function parseTaskId(taskId: string): TaskPosition | undefined {
  const match = TASK_ID.exec(taskId);
  if (!match?.[1] || !match[2]) return undefined;
  return { jobId: match[1], index: Number(match[2]) };
}

export const chunkOf = (index: number): number => Math.floor(index / CHUNK_SIZE);

/** `[0, 1, …]`: the chunks of a job with that many tasks. */
export const chunksOf = (taskCount: number): number[] =>
  Array.from({ length: Math.ceil(taskCount / CHUNK_SIZE) }, (_, chunk) => chunk);

/** Where a job's blobs lie. A zombie writes beside the winner, never over it: results carry attempt and lease. */
export const blobKeys = {
  inputs: (jobId: string, chunk: number): string => `jobs/${jobId}/inputs/${chunk}.jsonl`,
  /** Of a retry: which task of the chain's first job each of its tasks is. */
  origins: (jobId: string): string => `jobs/${jobId}/inputs/origins.json`,
  result: (jobId: string, taskId: string, attempt: number, leaseId: string): string =>
    `jobs/${jobId}/results/${taskId}/${attempt}-${leaseId}`,
  log: (jobId: string, taskId: string, attempt: number, leaseId: string): string =>
    `jobs/${jobId}/logs/${taskId}/${attempt}-${leaseId}`,
  checkpoint: (jobId: string, taskId: string, attempt: number, leaseId: string): string =>
    `jobs/${jobId}/checkpoints/${taskId}/${attempt}-${leaseId}`,
  control: (fleet: string): string => `control/${fleet}.json`,
  deadLetter: (day: string, hash: string): string => `dead-letters/${day}/${hash}.json`,
} as const;

/** Whose queues and bucket a fleet uses. */
export const SERVICES = ['aws', 'gcp', 'azure'] as const;
export type Services = (typeof SERVICES)[number];

export const FLEET_NAME = /^[a-z][a-z0-9-]{0,31}$/;

export const PRIORITIES = ['high', 'normal', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** `shoal-tasks-default-normal-dev`: the queue of a fleet and priority, as `resources/` creates it. */
export const taskQueueName = (fleet: string, priority: Priority, stage: string): string =>
  `shoal-tasks-${fleet}-${priority}-${stage}`;
