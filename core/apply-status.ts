/**
 * The life of a task, decided: `applyStatus(task, event)` says what one report changes.
 *
 * Reports come late, twice, out of order and from machines long thought dead. These rules make that harmless:
 *
 * 1. **A task without a row** is PENDING at attempt 1, or CANCELLED if its job is closed. A closed job takes no report.
 * 2. **Terminal absorbs.** COMPLETED, FAILED and CANCELLED take no report any more; each later one is *stale*.
 * 3. **A report above the row's attempt** speaks of something this reader has not seen yet. It is *returned* to the
 *    queue, never dropped.
 * 4. **completed**: the first one wins, whoever brings it, also from an earlier attempt: the work is done.
 * 5. **failed** and **released** count only for the current attempt. They make attempt n+1 and remember the lease that
 *    caused it (or end the task). From an earlier attempt they are *stale*, except from the very lease that caused the
 *    current attempt: then this is a redelivery after a crash between recording and sending, and the current attempt is
 *    *sent again* while it still waits. Sending twice is harmless, not sending is not.
 * 6. **started** makes PENDING RUNNING. For a task that runs already it only moves the lease, when the delivery is a
 *    newer one.
 * 7. **failed** is charged and asks the job's retry policy. **released** is never charged, and ends the task only after
 *    20 times. In a job that is being cancelled both end the task as CANCELLED.
 *
 * | row \ report         | started             | completed | failed           | released         |
 * | -------------------- | ------------------- | --------- | ---------------- | ---------------- |
 * | terminal, any        | stale               | stale     | stale            | stale            |
 * | attempt above row's  | returned            | returned  | returned         | returned         |
 * | attempt below row's  | stale               | COMPLETED | stale or resend  | stale or resend  |
 * | PENDING, current     | RUNNING             | COMPLETED | PENDING n+1, end | PENDING n+1, end |
 * | RUNNING, current     | moves lease or stale| COMPLETED | PENDING n+1, end | PENDING n+1, end |
 */
import { type CounterDelta, deltaOf } from './counters.ts';
import { parseTaskId } from './ids.ts';
import type { RetryPolicy } from './job-submission.ts';
import type { TaskEvent } from './messages.ts';
import { decideRetry, MAX_UNCHARGED_ATTEMPTS } from './retry-policy.ts';
import { type EndedAttempt, type Failure, isTerminal, type TaskRecord, type TaskStatus } from './task.ts';

/** What of the job matters to one of its tasks. */
export interface JobRules {
  readonly retry: RetryPolicy;
  readonly cancelling: boolean;
  readonly closed: boolean;
}

/** The next attempt, to be sent after it is recorded and before the report is acknowledged. */
export interface NextAttempt {
  readonly taskId: string;
  readonly attempt: number;
  readonly delaySeconds: number;
}

export type Transition =
  | {
      readonly kind: 'applied';
      readonly task: TaskRecord;
      readonly delta: CounterDelta;
      readonly send: NextAttempt | null;
    }
  | { readonly kind: 'resend'; readonly send: NextAttempt }
  | { readonly kind: 'stale'; readonly reason: string }
  | { readonly kind: 'returned'; readonly reason: string };

/** A row keeps the reasons of all its attempts, and should stay small. The last failure is kept whole beside them. */
const MAX_REASON_CHARACTERS = 300;

type EndingEvent = Exclude<TaskEvent, { kind: 'started' }>;
type Setback = Extract<TaskEvent, { kind: 'failed' | 'released' }>;

const stale = (reason: string): Transition => ({ kind: 'stale', reason });

/** A task before its first event. @throws RangeError if the event's task id is not one */
export function untouchedTask(event: Pick<TaskEvent, 'taskId' | 'jobId'>): TaskRecord {
  const position = parseTaskId(event.taskId);
  if (!position) throw new RangeError(`not a task id: ${event.taskId}`);
  return {
    taskId: event.taskId,
    jobId: position.jobId,
    index: position.index,
    status: 'PENDING',
    attempt: 1,
    chargedAttempts: 0,
    unchargedAttempts: 0,
    leaseId: null,
    receiveCount: 0,
    instanceId: null,
    causedByLeaseId: null,
    startedAt: null,
    finishedAt: null,
    result: null,
    failure: null,
    attempts: [],
    version: 1,
  };
}

/**
 * Decides what a report changes, by the rules above. Pure.
 * @param task the task's row, `undefined` if there is none
 * @param random a number in [0, 1), for the jitter of a backoff
 */
export function applyStatus(task: TaskRecord | undefined, event: TaskEvent, job: JobRules, random: number): Transition {
  if (job.closed) return stale('the job is closed');
  const current = task ?? untouchedTask(event);
  if (isTerminal(current.status)) return stale(`the task is ${current.status} already`);
  if (event.attempt > current.attempt) {
    return { kind: 'returned', reason: `attempt ${event.attempt} is reported, attempt ${current.attempt} is known` };
  }
  const write = (next: Partial<TaskRecord> & { status: TaskStatus }, send: NextAttempt | null, seconds = 0) =>
    ({
      kind: 'applied',
      task: { ...current, ...next, version: task ? task.version + 1 : 1 },
      delta: deltaOf(current.status, next.status, seconds),
      send,
    }) as const satisfies Transition;

  switch (event.kind) {
    case 'started':
      return applyStarted(current, event, write);
    case 'completed':
      return write(
        {
          status: 'COMPLETED',
          ...lastLease(event),
          startedAt: current.startedAt ?? startOf(event),
          finishedAt: event.at,
          result: event.result,
          attempts: [...current.attempts, endedAttempt(event, 'completed', false)],
        },
        null,
        event.seconds,
      );
    case 'failed':
    case 'released':
      return applySetback(current, event, job, random, write);
  }
}

type Write = (next: Partial<TaskRecord> & { status: TaskStatus }, send: NextAttempt | null) => Transition;

function applyStarted(current: TaskRecord, event: Extract<TaskEvent, { kind: 'started' }>, write: Write): Transition {
  if (event.attempt < current.attempt) return stale(`attempt ${event.attempt} is over`);
  if (current.leaseId === event.leaseId) return stale('this start is known');
  if (event.receiveCount < current.receiveCount) return stale('a newer delivery runs it');
  return write({ status: 'RUNNING', ...lastLease(event), startedAt: event.at }, null);
}

function applySetback(current: TaskRecord, event: Setback, job: JobRules, random: number, write: Write): Transition {
  if (event.attempt < current.attempt) {
    const waits = current.causedByLeaseId === event.leaseId && current.status === 'PENDING';
    if (!waits) return stale(`attempt ${event.attempt} is over`);
    return { kind: 'resend', send: { taskId: current.taskId, attempt: current.attempt, delaySeconds: 0 } };
  }
  const charged = event.kind === 'failed';
  const counts = {
    chargedAttempts: current.chargedAttempts + (charged ? 1 : 0),
    unchargedAttempts: current.unchargedAttempts + (charged ? 0 : 1),
  };
  const end = (status: 'FAILED' | 'CANCELLED', failure: Failure | null): Transition => {
    const outcome = status === 'CANCELLED' ? 'cancelled' : event.kind;
    return write(
      {
        status,
        ...counts,
        ...lastLease(event),
        startedAt: current.startedAt ?? startOf(event),
        finishedAt: event.at,
        failure,
        attempts: [...current.attempts, endedAttempt(event, outcome, charged)],
      },
      null,
    );
  };
  if (job.cancelling) return end('CANCELLED', null);

  const delaySeconds = delayBeforeNext(event, counts, job.retry, random);
  if (delaySeconds === null) return end('FAILED', finalFailure(event));
  const attempt = current.attempt + 1;
  return write(
    {
      status: 'PENDING',
      attempt,
      ...counts,
      leaseId: null,
      receiveCount: 0,
      instanceId: null,
      causedByLeaseId: event.leaseId,
      startedAt: null,
      attempts: [...current.attempts, endedAttempt(event, event.kind, charged)],
    },
    { taskId: current.taskId, attempt, delaySeconds },
  );
}

/** Seconds until the next attempt, or `null` if there is none. */
function delayBeforeNext(
  event: Setback,
  counts: Pick<TaskRecord, 'chargedAttempts' | 'unchargedAttempts'>,
  policy: RetryPolicy,
  random: number,
): number | null {
  if (event.kind === 'failed') {
    const decision = decideRetry(event.failure, policy, counts.chargedAttempts, random);
    return decision.retry ? decision.delaySeconds : null;
  }
  if (counts.unchargedAttempts >= MAX_UNCHARGED_ATTEMPTS) return null;
  return event.cause === 'machine' ? Math.min(30, 2 ** counts.unchargedAttempts) : 0;
}

function finalFailure(event: Setback): Failure {
  if (event.kind === 'failed') return event.failure;
  return {
    code: 'released-too-often',
    message: `given back ${MAX_UNCHARGED_ATTEMPTS} times without an outcome; last: ${event.reason}`,
  };
}

const lastLease = (event: TaskEvent): Pick<TaskRecord, 'leaseId' | 'receiveCount' | 'instanceId'> => ({
  leaseId: event.leaseId,
  receiveCount: event.receiveCount,
  instanceId: event.instanceId,
});

const startOf = (event: EndingEvent): string => new Date(Date.parse(event.at) - event.seconds * 1_000).toISOString();

const reasonOf = (event: EndingEvent): string | undefined =>
  event.kind === 'failed' ? event.failure.message : event.kind === 'released' ? event.reason : undefined;

const endedAttempt = (event: EndingEvent, outcome: EndedAttempt['outcome'], charged: boolean): EndedAttempt => ({
  attempt: event.attempt,
  leaseId: event.leaseId,
  instanceId: event.instanceId,
  outcome,
  charged,
  reason: reasonOf(event)?.slice(0, MAX_REASON_CHARACTERS) ?? null,
  exitCode: event.kind === 'failed' ? (event.failure.exitCode ?? null) : null,
  seconds: event.seconds,
  endedAt: event.at,
  ...(event.log ? { log: event.log } : {}),
});
