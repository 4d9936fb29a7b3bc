/** What is said of a task: by the agents that run it (core/messages.ts), and by the control plane itself. */
import { MAX_ATTEMPT_SECONDS, type TaskEvent } from './messages.ts';
import type { EndedAttempt, TaskRecord } from './task.ts';

/** The machine that held the lease is gone without a word. */
export interface LostReport {
  readonly kind: 'lost';
  readonly taskId: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly leaseId: string;
  readonly instanceId: string;
  readonly at: string;
  readonly reason: string;
}

/** The task's message was received too often without an outcome: evidence, not a verdict. */
export interface DeadLetteredReport {
  readonly kind: 'dead-lettered';
  readonly taskId: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly at: string;
}

/** Somebody asked for the end of this one task. */
export interface CancelRequest {
  readonly kind: 'cancel-requested';
  readonly taskId: string;
  readonly jobId: string;
  readonly at: string;
}

export type TaskReport = TaskEvent | LostReport | DeadLetteredReport | CancelRequest;

/** An agent's word on how an attempt ended. */
export type EndingEvent = Exclude<TaskEvent, { kind: 'started' }>;
/** An end that may not be the task's. */
export type Setback = Extract<TaskEvent, { kind: 'failed' | 'released' }>;

/** A row keeps the reasons of all its attempts, and should stay small. The last failure is kept whole beside them. */
const MAX_REASON_CHARACTERS = 300;

/** A machine's clock may say anything: a start before 1970 is none that a row could keep. */
export const startOf = (event: EndingEvent): string =>
  new Date(Math.max(0, Date.parse(event.at) - event.seconds * 1_000)).toISOString();

const reasonOf = (event: EndingEvent): string | undefined =>
  event.kind === 'failed' ? event.failure.message : event.kind === 'released' ? event.reason : undefined;

/** An attempt's price to the billionth of a dollar: the sums of millions of them stay exact in a decimal store. */
const roundUsd = (usd: number): number => Math.round(usd * 1e9) / 1e9;

const costOf = (seconds: number, usdPerSecond: number | null): Pick<EndedAttempt, 'costUsd'> =>
  usdPerSecond === null ? {} : { costUsd: roundUsd(seconds * usdPerSecond) };

/** The history's entry of an attempt whose agent reported its end. */
export const endedAttempt = (
  event: EndingEvent,
  outcome: EndedAttempt['outcome'],
  charged: boolean,
  usdPerSecond: number | null,
): EndedAttempt => ({
  attempt: event.attempt,
  leaseId: event.leaseId,
  instanceId: event.instanceId,
  outcome,
  charged,
  reason: reasonOf(event)?.slice(0, MAX_REASON_CHARACTERS) ?? null,
  exitCode: event.kind === 'failed' ? (event.failure.exitCode ?? null) : null,
  seconds: event.seconds,
  endedAt: event.at,
  ...costOf(event.seconds, usdPerSecond),
  ...(event.log ? { log: event.log } : {}),
});

/** The history's entry of a lease that ended without a word: all that was done under it, from its start on, is lost. */
export function lostLease(task: TaskRecord, at: string, reason: string, usdPerSecond: number | null): EndedAttempt {
  const began = Date.parse(task.startedAt ?? at);
  const seconds = Math.min(MAX_ATTEMPT_SECONDS, Math.max(0, Math.round(Date.parse(at) - began)) / 1_000);
  return {
    attempt: task.attempt,
    leaseId: task.leaseId ?? 'unknown',
    instanceId: task.instanceId ?? 'unknown',
    outcome: 'lost',
    charged: false,
    reason: reason.slice(0, MAX_REASON_CHARACTERS),
    exitCode: null,
    seconds,
    endedAt: at,
    ...costOf(seconds, usdPerSecond),
  };
}
