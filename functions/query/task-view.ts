/** What a task looks like to its user. */
import type { BlobStore } from '../../core/ports.ts';
import type { EndedAttempt, Failure, TaskRecord, TaskResult, TaskStatus } from '../../core/task.ts';

export interface TaskView {
  readonly taskId: string;
  readonly jobId: string;
  readonly key: string | null;
  readonly index: number;
  readonly status: TaskStatus;
  readonly attempt: number;
  readonly instanceId: string | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** Seconds of the attempt that ended it. */
  readonly seconds: number | null;
  readonly failure: Failure | null;
}

export interface TaskDetail extends TaskView {
  readonly result: unknown;
  /** Where a result lies that is too large to be shown here. */
  readonly resultRef: Extract<TaskResult, { blob: string }> | null;
  readonly attempts: readonly EndedAttempt[];
}

export const taskView = (task: TaskRecord, key: string | undefined): TaskView => ({
  taskId: task.taskId,
  jobId: task.jobId,
  key: key ?? null,
  index: task.index,
  status: task.status,
  attempt: task.attempt,
  instanceId: task.instanceId,
  startedAt: task.startedAt,
  finishedAt: task.finishedAt,
  seconds: task.attempts.at(-1)?.seconds ?? null,
  failure: task.failure,
});

/** A result that is no JSON is shown as the text it is: one bad result must not hide all the others. */
function parseResult(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A result by value, if it has at most so many bytes; else by reference. */
export async function resultOf(
  task: TaskRecord,
  maxBytes: number,
  blobs: BlobStore,
): Promise<Pick<TaskDetail, 'result' | 'resultRef'>> {
  if (!task.result) return { result: null, resultRef: null };
  if ('json' in task.result) return { result: parseResult(task.result.json), resultRef: null };
  if (task.result.bytes > maxBytes) return { result: null, resultRef: task.result };
  const bytes = await blobs.get(task.result.blob);
  return bytes
    ? { result: parseResult(Buffer.from(bytes).toString('utf8')), resultRef: null }
    : { result: null, resultRef: task.result };
}
