/** What a task looks like to its user. */
import type { BlobLinks, BlobStore } from '../../core/ports.ts';
import type {
  Checkpoint,
  EndedAttempt,
  Failure,
  StaleReport,
  TaskRecord,
  TaskResult,
  TaskStatus,
} from '../../core/task.ts';

export interface TaskView {
  readonly taskId: string;
  readonly jobId: string;
  readonly key: string | null;
  readonly index: number;
  readonly status: TaskStatus;
  readonly attempt: number;
  /** While it waits out a backoff: when the next attempt may start. */
  readonly dueAt: string | null;
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
  /** Where anybody may fetch it from, for an hour. */
  readonly resultUrl: string | null;
  /** Every lease that ended: `lost` ones ended without a word. */
  readonly attempts: readonly EndedAttempt[];
  readonly chargedAttempts: number;
  readonly unchargedAttempts: number;
  /** Reports that came and were not applied, because they speak of a lease that no longer counts. */
  readonly staleReports: readonly StaleReport[];
  /** Somebody asked for its end. */
  readonly cancelRequested: boolean;
  /** What the next attempt goes on from. */
  readonly checkpoint: Checkpoint | null;
  /** In a retry: the task of the chain's first job that it is. */
  readonly retryOf: string | null;
  /** What all its attempts cost so far; `null` where no price is known. */
  readonly costUsd: number | null;
}

/** The facts of a task that only its own page shows. */
export const taskFacts = (
  task: TaskRecord,
): Pick<
  TaskDetail,
  'attempts' | 'chargedAttempts' | 'unchargedAttempts' | 'staleReports' | 'cancelRequested' | 'checkpoint' | 'costUsd'
> => ({
  attempts: task.attempts,
  chargedAttempts: task.chargedAttempts,
  unchargedAttempts: task.unchargedAttempts,
  staleReports: task.staleReports,
  cancelRequested: task.cancelRequested,
  checkpoint: task.checkpoint,
  costUsd: costOf(task),
});

function costOf({ attempts }: TaskRecord): number | null {
  const known = attempts.flatMap(({ costUsd }) => costUsd ?? []);
  return known.length > 0 ? known.reduce((sum, usd) => sum + usd, 0) : null;
}

export const taskView = (task: TaskRecord, key: string | undefined): TaskView => ({
  taskId: task.taskId,
  jobId: task.jobId,
  key: key ?? null,
  index: task.index,
  status: task.status,
  attempt: task.attempt,
  dueAt: task.dueAt,
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

const LINK_SECONDS = 3_600;

/** A result by value, if it has at most so many bytes; else by reference, with an address to fetch it from. */
export async function resultOf(
  { result }: TaskRecord,
  maxBytes: number,
  { blobs, links }: { readonly blobs: BlobStore; readonly links: BlobLinks },
): Promise<Pick<TaskDetail, 'result' | 'resultRef' | 'resultUrl'>> {
  const shown = (value: unknown) => ({ result: value, resultRef: null, resultUrl: null });
  if (!result) return shown(null);
  if ('json' in result) return shown(parseResult(result.json));
  if (result.bytes > maxBytes) {
    return { result: null, resultRef: result, resultUrl: await links.link(result.blob, LINK_SECONDS) };
  }
  const bytes = await blobs.get(result.blob);
  // Kept no longer.
  if (!bytes) return { result: null, resultRef: result, resultUrl: null };
  return shown(parseResult(Buffer.from(bytes).toString('utf8')));
}
