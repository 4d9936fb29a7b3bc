/** Task messages, made from a job and its input: for the first attempt from the line, for later ones by reference. */
import { toAsciiJson } from '../core/ascii-json.ts';
import { blobKeys, CHUNK_SIZE, chunkOf, taskIdOf } from '../core/ids.ts';
import type { Job } from '../core/job.ts';
import type { TaskInput } from '../core/job-submission.ts';
import { MAX_MESSAGE_INPUT_BYTES, type TaskMessage } from '../core/messages.ts';
import { fleetOf } from '../core/placement.ts';
import type { ByteRange } from '../core/ports.ts';

function envelope(job: Job, index: number, attempt: number): Omit<TaskMessage, 'input' | 'inputRef' | 'key'> {
  const { ref: _ref, ...code } = job.code;
  return {
    v: 1,
    jobId: job.jobId,
    taskId: taskIdOf(job.jobId, index),
    attempt,
    fleet: fleetOf(job, index),
    priority: job.priority,
    code,
    ...(job.resources ? { resources: job.resources } : {}),
    timeoutSeconds: job.timeoutSeconds,
  };
}

const inputRef = (job: Job, index: number, range?: ByteRange): Required<Pick<TaskMessage, 'inputRef'>> => {
  const chunk = chunkOf(index);
  const line = index - chunk * CHUNK_SIZE;
  return { inputRef: { blob: blobKeys.inputs(job.jobId, chunk), line, ...(range ? { range } : {}) } };
};

/**
 * The first attempt: a small input travels with the message, a large one lies in the chunk's file.
 * @param range where in that file the task's line is
 */
export function firstAttempt(job: Job, index: number, task: TaskInput, range: ByteRange): TaskMessage {
  const small = toAsciiJson(task.input).length <= MAX_MESSAGE_INPUT_BYTES;
  return {
    ...envelope(job, index, 1),
    ...(task.key === undefined ? {} : { key: task.key }),
    ...(small ? { input: task.input } : inputRef(job, index, range)),
  };
}

/**
 * Any other message of a task: whoever sends it has not the input at hand, and need not.
 * @param checkpoint the blob where the attempt goes on
 */
export const laterAttempt = (job: Job, index: number, attempt: number, checkpoint: string | null): TaskMessage => ({
  ...envelope(job, index, attempt),
  ...inputRef(job, index),
  ...(checkpoint === null ? {} : { checkpointRef: checkpoint }),
});
