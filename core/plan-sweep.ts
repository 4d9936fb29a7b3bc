/**
 * Which tasks are lost, decided: a task whose message is gone without an outcome is sent again, as the same attempt.
 *
 * No store knows what lies on a queue, so it takes two looks. At `quietAt` no message of the job's queue waited: whatever
 * had been sent by then was leased, or lost. What was leased then is heard of within a lease: its outcome, or the start
 * that every redelivery announces. So a task that was sent before `quietAt`, and of which nothing was heard between then
 * and a whole lease later, is lost, if the queue is quiet again. (A queue that other jobs never let be quiet is believed
 * after three leases: a task sent twice is harmless, one that is not sent is not.)
 *
 * Where a queue does not tell what waits (Pub/Sub), its machines do: one that ended because its queues stayed empty saw
 * that nothing waited then, and its end takes the place of a look. What is open draws machines (`outstanding-work.ts`), so
 * one comes and finds nothing, if it is all lost.
 *
 * SQS keeps a message for 14 days: what waited for 13 is sent again without any look.
 */
import type { Job, SweepMark } from './job.ts';
import { isTerminal, type TaskRecord } from './task.ts';

export interface SweepLimits {
  /** What a lease may be longer than the task's time limit: checkout and grace. */
  readonly leaseAllowanceSeconds: number;
  /** How long a queue's counts may be behind (SQS: about a minute). */
  readonly settleSeconds: number;
}

export interface SweepSnapshot {
  readonly now: Date;
  readonly job: Pick<Job, 'timeoutSeconds' | 'code' | 'enqueuedAt' | 'sweep'>;
  readonly openTasks: number;
  /** Messages of the job's queue that nobody has leased; `null` where the queue does not tell. */
  readonly visible: number | null;
  /** When a machine of the fleet last ended because its queues stayed empty: asked for only where they do not tell. */
  readonly foundEmptyAt?: string | null;
}

export type SweepStep =
  | { readonly kind: 'nothing' }
  /** The first look. */
  | { readonly kind: 'mark'; readonly mark: SweepMark }
  /** The second: tasks that are lost if nothing was heard of them after `heardBy`. */
  | { readonly kind: 'walk'; readonly fromChunk: number; readonly heardBy: Date };

export const NEVER_SWEPT: SweepMark = { quietAt: null, sentAt: null, chunk: 0 };

const MAX_LEASE_SECONDS = 12 * 3_600;
/** A lease may be longer than its task needs, where it waits for its turn on its machine. */
const WAITING_FACTOR = 4 / 3;
const BELIEVED_AFTER_LEASES = 3;
const RETENTION_MS = 13 * 86_400_000;

/** How long a lease on one of the job's tasks lasts at most. */
function longestLeaseSeconds({ timeoutSeconds, code }: SweepSnapshot['job'], limits: SweepLimits): number {
  const setup = code.setup === null ? 0 : code.setupTimeoutSeconds;
  return Math.min(MAX_LEASE_SECONDS, (timeoutSeconds + setup + limits.leaseAllowanceSeconds) * WAITING_FACTOR);
}

/** What to do for one job now. Pure. */
export function planSweep(snapshot: SweepSnapshot, limits: SweepLimits): SweepStep {
  const { now, job, openTasks } = snapshot;
  // Before it is enqueued, its state machine sends.
  if (openTasks === 0 || job.enqueuedAt === null) return { kind: 'nothing' };
  const mark = job.sweep ?? NEVER_SWEPT;
  const passedMs = (since: string): number => now.getTime() - Date.parse(since);
  const settleMs = limits.settleSeconds * 1_000;
  const emptyAt = lastEmptyAt(snapshot);
  const lastSentAt = mark.sentAt ?? job.enqueuedAt;
  if (passedMs(lastSentAt) > RETENTION_MS) {
    return { kind: 'walk', fromChunk: mark.chunk, heardBy: new Date(now.getTime() - RETENTION_MS) };
  }
  if (mark.quietAt === null) {
    const isQuiet = emptyAt !== null && Date.parse(emptyAt) - Date.parse(lastSentAt) > settleMs;
    return isQuiet ? { kind: 'mark', mark: { ...mark, quietAt: emptyAt, chunk: 0 } } : { kind: 'nothing' };
  }
  const heardBy = new Date(Date.parse(mark.quietAt) - settleMs);
  // Half-way: what was sent again waits on the queue now, which says nothing of the other chunks.
  if (mark.chunk > 0) return { kind: 'walk', fromChunk: mark.chunk, heardBy };
  const leaseMs = longestLeaseSeconds(job, limits) * 1_000;
  const waitedMs = passedMs(mark.quietAt) - settleMs;
  const isQuietAgain = emptyAt !== null && Date.parse(emptyAt) - Date.parse(mark.quietAt) - settleMs > leaseMs;
  const isTime = isQuietAgain || waitedMs > BELIEVED_AFTER_LEASES * leaseMs;
  return isTime ? { kind: 'walk', fromChunk: 0, heardBy } : { kind: 'nothing' };
}

/** The last time at which the queue is known to have been empty. */
const lastEmptyAt = ({ now, visible, foundEmptyAt = null }: SweepSnapshot): string | null => {
  if (visible === null) return foundEmptyAt;
  return visible === 0 ? now.toISOString() : null;
};

/** Whether a task, by its row or the lack of one, is lost: it was sent before, and not heard of since. Pure. */
export function isLost(task: TaskRecord | undefined, job: Pick<Job, 'enqueuedAt' | 'sweep'>, heardBy: Date): boolean {
  if (task && isTerminal(task.status)) return false;
  const times = task ? [task.updatedAt, task.dueAt] : [job.enqueuedAt];
  const latest = Math.max(...[...times, job.sweep?.sentAt ?? null].map((at) => (at === null ? 0 : Date.parse(at))));
  return latest <= heardBy.getTime();
}
