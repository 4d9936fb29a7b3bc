/**
 * The life of a task, decided: `applyStatus(task, report)` says what one report changes.
 *
 * Reports come late, twice, out of order and from machines long thought dead. These rules make that harmless:
 *
 *  1. **A task without a row** is PENDING at attempt 1, or CANCELLED if its job is closed.
 *  2. **A report that is known** (its lease is in the history, or runs the task) is a *duplicate*: nothing to do.
 *  3. **Terminal absorbs.** COMPLETED, FAILED and CANCELLED take no report any more, and neither does a closed job; each
 *     later one is *stale*. A stale report changes nothing, but it is kept on the task as evidence.
 *  4. **A report above the row's attempt** speaks of something this reader has not seen yet. It is *returned* to the
 *     queue, never dropped.
 *  5. **completed**: the first one wins, whoever brings it, also from an earlier attempt: the work is done.
 *  6. **failed** and **released** count only for the current attempt, whichever delivery of it they speak of. They make
 *     attempt n+1 and remember the lease that caused it (or end the task). From that very lease again they are a
 *     redelivery after a crash between recording and sending: while the new attempt waits it is *sent again*, no sooner
 *     than it is due. Sending twice is harmless, not sending is not.
 *  7. **started** makes PENDING RUNNING. For a task that runs already it moves the lease when the delivery is a newer
 *     one; the lease before it then ended without a word, and is *lost*.
 *  8. **lost** (the machine is gone): the lease that runs the task is over, its attempt is not. The task is PENDING again
 *     under the same attempt, because its message comes back by itself, or is put back by whoever found the loss. A lease
 *     that was thought lost and ends with a word after all was not: its true end takes the loss's place in the history and
 *     in the sums.
 *  9. **dead-lettered** (the message came too often without an outcome): a task whose leases were lost `POISON_LOSSES`
 *     times in one attempt ends FAILED as poison. Any other was never started, or seldom: it is *sent again*. If it
 *     seemed to run, that lease is lost first: deliveries of the new message are counted from 1 again, and must not look
 *     older than those of the one that was given up.
 * 10. **failed** is charged and asks the job's retry policy. **released** and **lost** are never charged; they end the
 *     task only after `MAX_UNCHARGED_ATTEMPTS` of them.
 * 11. **cancel-requested** ends a PENDING task as CANCELLED. A RUNNING one is marked; its agent is told elsewhere. In a
 *     marked task, and in a job that is being cancelled, every setback ends the task as CANCELLED.
 *
 * | row \ report        | started            | completed | failed, released        | lost                   | dead-lettered  | cancel |
 * | ------------------- | ------------------ | --------- | ----------------------- | ---------------------- | -------------- | ------ |
 * | terminal, any       | stale              | stale     | stale                   | stale                  | stale          | stale  |
 * | attempt above row's | returned           | returned  | returned                | returned               | returned       | –      |
 * | attempt below row's | stale              | COMPLETED | resend, stale           | stale                  | stale          | –      |
 * | PENDING, current    | RUNNING            | COMPLETED | PENDING n+1, end        | stale                  | resend, end    | end    |
 * | RUNNING, current    | moves lease, stale | COMPLETED | PENDING n+1, end        | PENDING n, end, stale  | PENDING n, end | marked |
 *
 * *end*: FAILED, or CANCELLED where an end was asked for. *stale* of a RUNNING task: another lease than the one that runs it.
 */
import type { RetryPolicy } from './job-submission.ts';
import type { TaskEvent } from './messages.ts';
import { decideRetry, MAX_UNCHARGED_ATTEMPTS, POISON_LOSSES } from './retry-policy.ts';
import { type Failure, isTerminal, type TaskRecord, untouchedTask } from './task.ts';
import { foundAfterAll, losing, sumsOfLoss } from './task-loss.ts';
import {
  type CancelRequest,
  type DeadLetteredReport,
  endedAttempt,
  type LostReport,
  type Setback,
  startOf,
  type TaskReport,
} from './task-report.ts';
import {
  attemptOf,
  type Change,
  type JobRules,
  leaseOf,
  type ReportContext,
  SETTLED,
  type Situation,
  stale,
  type Transition,
  UNLEASED,
  write,
} from './transition.ts';

/** Decides what a report changes, by the rules above. Pure. @param row the task's row, `undefined` if there is none */
export function applyStatus(
  row: TaskRecord | undefined,
  report: TaskReport,
  job: JobRules,
  context: ReportContext,
): Transition {
  const situation: Situation = { row, current: row ?? untouchedTask(report), job, context };
  const { current } = situation;
  if (report.kind === 'cancel-requested') return applyCancel(report, situation);
  if (isKnown(current, report)) return resendOrDuplicate(current, report, job);
  if (job.closed) return stale(situation, report, 'the job is closed');
  if (isTerminal(current.status)) return stale(situation, report, `the task is ${current.status} already`);
  if (report.attempt > current.attempt) {
    return { kind: 'returned', reason: `attempt ${report.attempt} is reported, attempt ${current.attempt} is known` };
  }
  if (report.kind === 'completed') return foundAfterAll(report, situation, applyCompleted);
  if (report.attempt < current.attempt) return stale(situation, report, `attempt ${report.attempt} is over`);
  return applyToCurrent(report, situation);
}

/** A report on the current attempt of a task that has not ended. */
function applyToCurrent(
  report: Exclude<TaskReport, { kind: 'cancel-requested' | 'completed' }>,
  situation: Situation,
): Transition {
  switch (report.kind) {
    case 'started':
      return applyStarted(report, situation);
    case 'failed':
    case 'released':
      return foundAfterAll(report, situation, applySetback);
    case 'lost':
      return applyLost(report, situation);
    case 'dead-lettered':
      return applyDeadLettered(report, situation);
  }
}

/** Whether the row shows already what the report says. */
function isKnown(current: TaskRecord, report: Exclude<TaskReport, CancelRequest>): boolean {
  if (report.kind === 'dead-lettered') return false;
  const { attempt, leaseId } = report;
  const entries = current.attempts.filter((entry) => entry.leaseId === leaseId && entry.attempt === attempt);
  if (report.kind === 'started') {
    return (current.leaseId === leaseId && current.attempt === attempt) || entries.length > 0;
  }
  if (isCause(current, report)) return true;
  // Work that is done is done, whatever was said of it before.
  if (report.kind === 'completed') return entries.some((entry) => entry.outcome === 'completed');
  // Whoever was thought lost may still bring an outcome.
  return entries.some((entry) => report.kind === 'lost' || entry.outcome !== 'lost');
}

/** A report that made the current attempt and comes again: its reader may have died before it could send. */
function resendOrDuplicate(current: TaskRecord, report: Exclude<TaskReport, CancelRequest>, job: JobRules): Transition {
  const waits = current.status === 'PENDING' && !job.closed;
  return waits && isCause(current, report) ? { kind: 'resend', send: attemptOf(current) } : { kind: 'duplicate' };
}

/** Whether the current attempt was made because of this report. */
const isCause = (current: TaskRecord, report: TaskReport): boolean =>
  (report.kind === 'failed' || report.kind === 'released') &&
  current.causedByLeaseId === report.leaseId &&
  current.attempt === report.attempt + 1;

function applyCompleted(event: Extract<TaskEvent, { kind: 'completed' }>, situation: Situation): Transition {
  const { current, context } = situation;
  const entry = endedAttempt(event, 'completed', false, context.usdPerSecond(event.instanceId));
  return write(
    situation,
    {
      status: 'COMPLETED',
      ...leaseOf(event),
      ...SETTLED,
      startedAt: current.startedAt ?? startOf(event),
      finishedAt: event.at,
      result: event.result,
      attempts: [...current.attempts, entry],
    },
    { completedSeconds: event.seconds, costUsd: entry.costUsd ?? 0 },
  );
}

function applyStarted(event: Extract<TaskEvent, { kind: 'started' }>, situation: Situation): Transition {
  const { current } = situation;
  // A message that was sent again is counted from 1 again: only with its time does the count tell which came later.
  const isOlder = event.receiveCount < current.receiveCount && event.at <= (current.startedAt ?? event.at);
  if (isOlder) return stale(situation, event, 'a newer delivery runs it');
  const lapsed = current.status === 'RUNNING' && event.receiveCount > current.receiveCount;
  const start: Change = {
    status: 'RUNNING',
    ...leaseOf(event),
    receiptHandle: event.receiptHandle ?? null,
    startedAt: event.at,
  };
  if (!lapsed) return write(situation, start);
  const { change, entry } = losing(situation, event.at, 'its lease ended without a word');
  return write(situation, { ...change, ...start }, sumsOfLoss(entry));
}

function applySetback(event: Setback, situation: Situation): Transition {
  const { current, job, context } = situation;
  const charged = event.kind === 'failed';
  const counts = {
    chargedAttempts: current.chargedAttempts + (charged ? 1 : 0),
    unchargedAttempts: current.unchargedAttempts + (charged ? 0 : 1),
  };
  const price = context.usdPerSecond(event.instanceId);
  const end = (status: 'FAILED' | 'CANCELLED', failure: Failure | null): Transition => {
    const entry = endedAttempt(event, status === 'CANCELLED' ? 'cancelled' : event.kind, charged, price);
    const change = { status, ...counts, ...leaseOf(event), ...SETTLED, failure, finishedAt: event.at } as const;
    const startedAt = current.startedAt ?? startOf(event);
    const attempts = [...current.attempts, entry];
    return write(situation, { ...change, startedAt, attempts }, { costUsd: entry.costUsd ?? 0 });
  };
  if (job.cancelling || current.cancelRequested) return end('CANCELLED', null);
  const delaySeconds = delayBeforeNext(event, counts, job.retry, context.random);
  if (delaySeconds === null) return end('FAILED', finalFailure(event));

  const entry = endedAttempt(event, event.kind, charged, price);
  const change: Change & { readonly attempt: number } = {
    ...counts,
    ...UNLEASED,
    status: 'PENDING',
    attempt: current.attempt + 1,
    lostLeases: 0,
    causedByLeaseId: event.leaseId,
    dueAt: delaySeconds > 0 ? new Date(context.now.getTime() + delaySeconds * 1_000).toISOString() : null,
    checkpoint: event.checkpoint ?? current.checkpoint,
    attempts: [...current.attempts, entry],
  };
  // What a checkpoint kept is not lost.
  const sums = event.checkpoint ? { costUsd: entry.costUsd ?? 0 } : sumsOfLoss(entry);
  return write(situation, change, sums, attemptOf({ ...current, ...change }));
}

function applyLost(report: LostReport, situation: Situation): Transition {
  const { current, job } = situation;
  const runs = current.status === 'RUNNING' && current.leaseId === report.leaseId;
  if (!runs) return stale(situation, report, 'that lease does not run the task');
  const { change, entry } = losing(situation, report.at, report.reason);
  const end = { ...change, ...SETTLED, finishedAt: report.at };
  const sums = sumsOfLoss(entry);
  if (job.cancelling || current.cancelRequested) return write(situation, { ...end, status: 'CANCELLED' }, sums);
  if (change.unchargedAttempts < MAX_UNCHARGED_ATTEMPTS) {
    return write(situation, { ...change, ...UNLEASED, status: 'PENDING' }, sums);
  }
  return write(situation, { ...end, status: 'FAILED', failure: tooOften(report.reason) }, sums);
}

function applyDeadLettered(report: DeadLetteredReport, situation: Situation): Transition {
  const { current, job } = situation;
  const running = current.status === 'RUNNING';
  const loss = running ? losing(situation, report.at, 'its message was given up') : null;
  const losses = current.lostLeases + (running ? 1 : 0);
  const sums = loss ? sumsOfLoss(loss.entry) : {};
  const end = { ...loss?.change, ...SETTLED, finishedAt: report.at };
  if (job.cancelling || current.cancelRequested) return write(situation, { ...end, status: 'CANCELLED' }, sums);
  if (losses >= POISON_LOSSES) {
    const message = `${losses} machines were lost while they ran it, and none ever reported an outcome`;
    return write(situation, { ...end, status: 'FAILED', failure: { code: 'poison', message } }, sums);
  }
  if (!loss) return { kind: 'resend', send: attemptOf(current) };
  if (loss.change.unchargedAttempts >= MAX_UNCHARGED_ATTEMPTS) {
    return write(situation, { ...end, status: 'FAILED', failure: tooOften('its message was given up') }, sums);
  }
  return write(situation, { ...loss.change, ...UNLEASED, status: 'PENDING' }, sums, attemptOf(current));
}

function applyCancel(request: CancelRequest, situation: Situation): Transition {
  const { current, job } = situation;
  if (job.closed || isTerminal(current.status)) return stale(situation, request, 'it has ended already');
  if (current.cancelRequested) return { kind: 'duplicate' };
  if (current.status === 'RUNNING') return write(situation, { status: 'RUNNING', cancelRequested: true });
  return write(situation, { status: 'CANCELLED', ...SETTLED, cancelRequested: true, finishedAt: request.at });
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
  return tooOften(event.reason);
}

const tooOften = (reason: string): Failure => ({
  code: 'released-too-often',
  message: `given back or lost ${MAX_UNCHARGED_ATTEMPTS} times without an outcome; last: ${reason}`,
});
