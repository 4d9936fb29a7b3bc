/** Task messages, made from a job and its input: for the first attempt from the line, for later ones by reference. */
import { toAsciiJson } from '../core/ascii-json.ts';
import { blobKeys, CHUNK_SIZE, chunkOf, taskIdOf } from '../core/ids.ts';
import type { Job } from '../core/job.ts';
import type { TaskInput } from '../core/job-submission.ts';
import { MAX_MESSAGE_INPUT_BYTES, type TaskMessage } from '../core/messages.ts';

function envelope(job: Job, index: number, attempt: number): Omit<TaskMessage, 'input' | 'inputRef' | 'key'> {
  const { repository, commit, setup, run, env } = job.code;
  return {
    v: 1,
    jobId: job.jobId,
    taskId: taskIdOf(job.jobId, index),
    attempt,
    fleet: job.fleet,
    priority: job.priority,
    code: { repository, commit, setup, run, env },
    timeoutSeconds: job.timeoutSeconds,
  };
}

const inputRef = (job: Job, index: number): Required<Pick<TaskMessage, 'inputRef'>> => {
  const chunk = chunkOf(index);
  return { inputRef: { blob: blobKeys.inputs(job.jobId, chunk), line: index - chunk * CHUNK_SIZE } };
};

/** The first attempt: a small input travels with the message, a large one lies in the chunk's file. */
export function firstAttempt(job: Job, index: number, task: TaskInput): TaskMessage {
  const small = toAsciiJson(task.input).length <= MAX_MESSAGE_INPUT_BYTES;
  return {
    ...envelope(job, index, 1),
    ...(task.key === undefined ? {} : { key: task.key }),
    ...(small ? { input: task.input } : inputRef(job, index)),
  };
}

/** A later attempt: whoever sends it has not the input at hand, and need not. */
export const laterAttempt = (job: Job, index: number, attempt: number): TaskMessage => ({
  ...envelope(job, index, attempt),
  ...inputRef(job, index),
});
