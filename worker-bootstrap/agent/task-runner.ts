/** One task on this machine, from its lease to its outcome: prepare, announce, run the command, read the result. */
import { blobKeys } from '../../core/ids.ts';
import { MAX_INLINE_RESULT_BYTES } from '../../core/messages.ts';
import type { BlobStore, Lease } from '../../core/ports.ts';
import type { Checkpoint, Failure, TaskLog, TaskResult } from '../../core/task.ts';
import { TaskCheckpoint } from './checkpoint.ts';
import type { AgentClock } from './clock.ts';
import type { CommandRun } from './command-run.ts';
import type { WorkSettings } from './config.ts';
import { explainStartFailure } from './describe-end.ts';
import { isDiskError } from './disk-space.ts';
import type { KeptOutput } from './kept-output.ts';
import type { Lifecycle, StopCause } from './lifecycle.ts';
import { type Log, messageOf } from './log.ts';
import { type RetryOptions, retry } from './retry.ts';
import { type CommandTools, type ReadyTask, runCommand } from './run-command.ts';
import { unlessAborted } from './sleep.ts';
import { stopGraceSeconds, storeSeconds } from './stop-time.ts';
import type { TaskInputs } from './task-input.ts';

/** How long an input is tried to be read: a slot that waits for it does no work. */
const INPUT_MS = 30_000;

/** What a report needs to get out. */
const REPORT_MS = 5_000;

/** How long it is tried to store what a command printed. */
const LOG_MS = 10_000;

/** Why a task ended that never began. */
export const CANCELLED_BEFORE = 'cancelled before the start';

export type TaskOutcome =
  | { readonly kind: 'completed'; readonly seconds: number; readonly result: TaskResult; readonly log?: TaskLog }
  | {
      readonly kind: 'failed';
      readonly log?: TaskLog;
      readonly checkpoint?: Checkpoint;
      readonly seconds: number;
      readonly failure: Failure;
    }
  | {
      readonly kind: 'released';
      readonly log?: TaskLog;
      readonly checkpoint?: Checkpoint;
      readonly seconds: number;
      readonly cause: StopCause | 'machine';
      readonly reason: string;
    }
  /** Never started: the message goes back to its queue as if nobody had seen it. */
  | { readonly kind: 'returned' };

/** A task that is held, and what may end it. */
export interface TaskAssignment {
  readonly lease: Lease;
  readonly leaseEndsAt: Date;
  /** Aborted when the task must stop. */
  readonly stop: AbortSignal;
  readonly stopCause: () => StopCause;
}

export interface TaskTools extends CommandTools {
  readonly settings: CommandTools['settings'] & Pick<WorkSettings, 'cancelGraceSeconds' | 'maxCheckpointBytes'>;
  readonly lifecycle: Pick<Lifecycle, 'secondsLeft'>;
  readonly log: Log;
  /** Told when the disk is full: this machine is of no more use. */
  readonly onDiskFull: () => void;
  readonly inputs: TaskInputs;
  readonly blobs: BlobStore;
  readonly clock: AgentClock;
  readonly random: () => number;
  /** Says that the command is about to start; resolves when the news is out, where that matters. */
  readonly announce: (assignment: TaskAssignment) => Promise<void>;
}

/** Runs a task to its outcome. Whatever goes wrong on this machine is a release, never a failed attempt. */
export async function runTask(assignment: TaskAssignment, tools: TaskTools): Promise<TaskOutcome> {
  try {
    return await prepareAndRun(assignment, tools);
  } catch (error) {
    const full = isDiskError(error) ? await diskTrouble(messageOf(error), tools) : null;
    return released('machine', full ?? `the machine could not run the task: ${messageOf(error)}`);
  }
}

async function prepareAndRun(assignment: TaskAssignment, tools: TaskTools): Promise<TaskOutcome> {
  const { lease, stop } = assignment;
  if (stop.aborted) return neverStarted(assignment);
  const wanted = tools.checkouts.use(lease.message.code, lease.message.jobId);
  const used = await unlessAborted(wanted, stop);
  if (!used) void wanted.then(({ giveBack }) => giveBack());
  const prepared = used?.preparation;
  try {
    if (stop.aborted || prepared?.kind === 'stopped' || !prepared) return neverStarted(assignment);
    if (prepared.kind === 'ready') return await runPrepared(assignment, prepared.folder, tools);
    const full = SAYS_FULL.test(prepared.reason) || (await tools.disk.fullness()) !== null;
    return released('machine', full ? await diskTrouble(prepared.reason, tools) : prepared.reason);
  } finally {
    used?.giveBack();
  }
}

/** How git, package managers and the system itself say that a disk or a quota is used up. */
const SAYS_FULL = /no space left on device|disk quota exceeded|\bENOSPC\b|\bEDQUOT\b/i;

/** Drains the machine; the reason names the disk. */
async function diskTrouble(what: string, { disk, onDiskFull }: TaskTools): Promise<string> {
  const full = (await disk.fullness()) ?? 'the disk of the machine is full';
  onDiskFull();
  return `${full}: ${what}`;
}

async function runPrepared(assignment: TaskAssignment, checkout: string, tools: TaskTools): Promise<TaskOutcome> {
  const { lease, stop } = assignment;
  const soon = new Date(Math.min(assignment.leaseEndsAt.getTime(), tools.clock.now().getTime() + INPUT_MS));
  const input = await tools.inputs.read(lease.message, { ...retryOf(assignment, tools), until: soon, signal: stop });
  if (stop.aborted) return neverStarted(assignment);
  if (input.kind === 'unreachable') return released('machine', input.reason);
  if (input.kind === 'missing') return failed({ code: 'input-unavailable', message: input.reason }, 0);

  const { json, key } = input;
  const run = await runCommand({ ...readyFor(assignment, tools), checkout, input: json, key }, tools);
  const outcome = await outcomeOf(run, assignment, tools, checkout);
  if (run.kind !== 'ran' || outcome.kind === 'returned') return outcome;
  const checkpoint = run.checkpoint && outcome.kind !== 'completed' ? { checkpoint: run.checkpoint } : {};
  const log = run.printed ? await storeLog(run.printed, assignment, tools) : undefined;
  return { ...outcome, ...checkpoint, ...(log ? { log } : {}) };
}

/** All that a command needs beside checkout and input. */
function readyFor(assignment: TaskAssignment, tools: TaskTools): Omit<ReadyTask, 'checkout' | 'input' | 'key'> {
  const { lease, leaseEndsAt, stop, stopCause } = assignment;
  const { settings, lifecycle, clock } = tools;
  const { maxCheckpointBytes: maxBytes, taskUser } = settings;
  return {
    message: lease.message,
    leaseId: lease.leaseId,
    stop,
    onStart: () => tools.announce(assignment),
    stopGraceSeconds: () => stopGraceSeconds(stopCause(), settings, lifecycle.secondsLeft),
    checkpoint: new TaskCheckpoint(lease.message, lease.leaseId, { ...tools, maxBytes, taskUser }),
    storeUntil: () => {
      if (stop.aborted && stopCause() === 'cancelled') return null;
      const now = clock.now().getTime();
      // The report must be out before the lease ends.
      return new Date(Math.min(leaseEndsAt.getTime() - REPORT_MS, now + storeSeconds(lifecycle.secondsLeft) * 1_000));
    },
  };
}

async function outcomeOf(
  run: CommandRun,
  assignment: TaskAssignment,
  tools: TaskTools,
  checkout: string,
): Promise<TaskOutcome> {
  const { message } = assignment.lease;
  if (run.kind === 'never-began') return neverStarted(assignment);
  if (run.kind === 'not-started') {
    const { run: words, env } = message.code;
    const path = env['PATH'] ?? tools.settings.commandPath;
    const why = await explainStartFailure(run, words[0] ?? '', checkout, path);
    if (why.kind === 'failure') return failed(why.failure, 0);
    if (why.kind === 'checkout-gone') tools.checkouts.forget(message.code);
    return released('machine', why.reason);
  }
  const { seconds, endedFor, outcome } = run;
  const failure = 'failure' in outcome ? outcome.failure : null;
  // Asked to stop, a command may still finish its work in the grace: that counts. Any other end was our doing. Work
  // that is cancelled is wanted by nobody.
  if (endedFor === 'stop' && (failure || assignment.stopCause() === 'cancelled')) {
    return released(assignment.stopCause(), `stopped after ${seconds.toFixed(1)} s`, seconds);
  }
  if (failure && run.diskFull) {
    tools.onDiskFull();
    return released('machine', `${run.diskFull}: ${failure.message}`, seconds);
  }
  return 'failure' in outcome
    ? failed(outcome.failure, seconds)
    : storeResult(outcome.json, seconds, assignment, tools);
}

/** Small results travel in the event, larger ones lie beside it: a zombie writes next to the winner, never over it. */
async function storeResult(
  json: string,
  seconds: number,
  assignment: TaskAssignment,
  tools: TaskTools,
): Promise<TaskOutcome> {
  const bytes = Buffer.byteLength(json);
  if (bytes <= MAX_INLINE_RESULT_BYTES) return { kind: 'completed', seconds, result: { json } };
  const { leaseId, message } = assignment.lease;
  const blob = blobKeys.result(message.jobId, message.taskId, message.attempt, leaseId);
  try {
    await retry(() => tools.blobs.put(blob, json, 'application/json'), retryOf(assignment, tools));
    return { kind: 'completed', seconds, result: { blob, bytes } };
  } catch (error) {
    return released('machine', `the result could not be stored: ${messageOf(error)}`, seconds);
  }
}

/** What the command printed, for people: worth a few tries, but never the task's outcome. */
async function storeLog(
  printed: KeptOutput,
  assignment: TaskAssignment,
  tools: TaskTools,
): Promise<TaskLog | undefined> {
  const { leaseId, message } = assignment.lease;
  const blob = blobKeys.log(message.jobId, message.taskId, message.attempt, leaseId);
  const body = printed.render();
  const until = new Date(Math.min(assignment.leaseEndsAt.getTime(), tools.clock.now().getTime() + LOG_MS));
  try {
    await retry(() => tools.blobs.put(blob, body, 'text/plain'), { ...retryOf(assignment, tools), until });
    return { blob, bytes: body.length, truncated: printed.isTruncated };
  } catch {
    return undefined;
  }
}

const retryOf = (assignment: TaskAssignment, { clock, random, kill }: TaskTools): RetryOptions => ({
  clock,
  random,
  until: assignment.leaseEndsAt,
  signal: kill,
});

/** Back to the queue, unless it is cancelled: then the message is done with. */
const neverStarted = ({ stopCause }: TaskAssignment): TaskOutcome =>
  stopCause() === 'cancelled' ? released('cancelled', CANCELLED_BEFORE) : { kind: 'returned' };

const failed = (failure: Failure, seconds: number): TaskOutcome => ({ kind: 'failed', seconds, failure });
const released = (cause: StopCause | 'machine', reason: string, seconds = 0): TaskOutcome => ({
  kind: 'released',
  seconds,
  cause,
  reason,
});
