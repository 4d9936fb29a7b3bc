/** One task on this machine, from its lease to its outcome: prepare, announce, run the command, read the result. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { blobKeys } from '../../core/ids.ts';
import { MAX_INLINE_RESULT_BYTES } from '../../core/messages.ts';
import type { BlobStore, Clock, Lease } from '../../core/ports.ts';
import type { Failure, TaskResult } from '../../core/task.ts';
import type { WorkSettings } from './config.ts';
import { explainStartFailure, failureOfRun } from './describe-end.ts';
import type { StopCause } from './lifecycle.ts';
import { messageOf } from './log.ts';
import type { Preparations } from './preparations.ts';
import type { ProcessGroups } from './process-groups.ts';
import { readResult } from './read-result.ts';
import { type RetryOptions, retry } from './retry.ts';
import { type ProgramRun, runProgram } from './run-program.ts';
import { unlessAborted } from './sleep.ts';
import { taskEnvironment } from './task-environment.ts';
import { makeTaskFolder, type TaskFolder } from './task-folder.ts';
import type { TaskInput, TaskInputs } from './task-input.ts';

/** How long an input is tried to be read: a slot that waits for it does no work. */
const INPUT_MS = 30_000;

export type TaskOutcome =
  | { readonly kind: 'completed'; readonly seconds: number; readonly result: TaskResult }
  | { readonly kind: 'failed'; readonly seconds: number; readonly failure: Failure }
  | {
      readonly kind: 'released';
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

export interface TaskTools {
  readonly settings: Pick<WorkSettings, 'workDir' | 'graceSeconds' | 'commandPath'>;
  readonly preparations: Pick<Preparations, 'prepare' | 'forget'>;
  readonly inputs: TaskInputs;
  readonly blobs: BlobStore;
  readonly groups: ProcessGroups;
  readonly clock: Clock;
  readonly random: () => number;
  readonly kill: AbortSignal;
  /** Says that the command is about to start; resolves when the news is out, where that matters. */
  readonly announce: (assignment: TaskAssignment) => Promise<void>;
}

/** Runs a task to its outcome. Whatever goes wrong on this machine is a release, never a failed attempt. */
export async function runTask(assignment: TaskAssignment, tools: TaskTools): Promise<TaskOutcome> {
  try {
    return await prepareAndRun(assignment, tools);
  } catch (error) {
    return released('machine', `the machine could not run the task: ${messageOf(error)}`);
  }
}

async function prepareAndRun(assignment: TaskAssignment, tools: TaskTools): Promise<TaskOutcome> {
  const { lease, stop } = assignment;
  const prepared = await unlessAborted(tools.preparations.prepare(lease.message.code), stop);
  if (stop.aborted || prepared?.kind === 'stopped' || !prepared) return neverStarted(assignment);
  if (prepared.kind === 'failed') return released('machine', prepared.reason);

  await using folder = await makeTaskFolder(tools.settings.workDir, lease.leaseId);
  const soon = new Date(Math.min(assignment.leaseEndsAt.getTime(), tools.clock.now().getTime() + INPUT_MS));
  const input = await tools.inputs.read(lease.message, { ...retryOf(assignment, tools), until: soon, signal: stop });
  if (stop.aborted) return neverStarted(assignment);
  if (input.kind === 'unreachable') return released('machine', input.reason);
  if (input.kind === 'missing') return failed({ code: 'input-unavailable', message: input.reason }, 0);
  await writeFile(folder.inputFile, `${input.json}\n`);

  await tools.announce(assignment);
  const checkout = prepared.folder;
  const run = await runCommand(assignment, tools, { checkout, folder, input });
  return await outcomeOf(run, assignment, tools, { checkout, folder });
}

interface Places {
  readonly checkout: string;
  readonly folder: TaskFolder;
}

function runCommand(
  assignment: TaskAssignment,
  tools: TaskTools,
  places: Places & { input: Extract<TaskInput, { kind: 'input' }> },
) {
  const { message } = assignment.lease;
  const [command = '', ...parameters] = message.code.run;
  const { settings, groups, kill } = tools;
  return runProgram(
    {
      // A command with a slash lies in the checkout; any other is looked up on the PATH.
      command: command.includes('/') ? resolve(places.checkout, command) : command,
      arguments: parameters,
      cwd: places.checkout,
      environment: taskEnvironment(message, places.input.key, places.folder, settings.commandPath),
      stdin: `${places.input.json}\n`,
      timeoutSeconds: message.timeoutSeconds,
      graceSeconds: settings.graceSeconds,
      stop: assignment.stop,
      kill,
    },
    groups,
  );
}

async function outcomeOf(
  run: ProgramRun,
  assignment: TaskAssignment,
  tools: TaskTools,
  places: Places,
): Promise<TaskOutcome> {
  const { message } = assignment.lease;
  const { seconds } = run;
  if (run.end.kind === 'not-started') {
    const { run: words, env } = message.code;
    const path = env['PATH'] ?? tools.settings.commandPath;
    const why = await explainStartFailure(run.end, words[0] ?? '', places.checkout, path);
    if (why.kind === 'failure') return failed(why.failure, seconds);
    tools.preparations.forget(message.code);
    return released('machine', why.reason);
  }
  const failure = failureOfRun(run, message.timeoutSeconds);
  // Asked to stop, a command may still finish its work in the grace: that counts. Any other end was our doing. The
  // work of a cancelled job is wanted by nobody.
  if (run.endedFor === 'stop' && (failure || assignment.stopCause() === 'cancelled')) {
    return released(assignment.stopCause(), `stopped after ${seconds.toFixed(1)} s`, seconds);
  }
  if (failure) return failed(failure, seconds);
  const found = await readResult(places.folder.resultFile, run.lastLine);
  if (found.kind === 'failed') return failed(found.failure, seconds);
  return storeResult(found.json, seconds, assignment, tools);
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

const retryOf = (assignment: TaskAssignment, { clock, random, kill }: TaskTools): RetryOptions => ({
  clock,
  random,
  until: assignment.leaseEndsAt,
  signal: kill,
});

/** Back to the queue, unless its job is cancelled: then the message is done with. */
const neverStarted = ({ stopCause }: TaskAssignment): TaskOutcome =>
  stopCause() === 'cancelled' ? released('cancelled', 'the job was cancelled before the start') : { kind: 'returned' };

const failed = (failure: Failure, seconds: number): TaskOutcome => ({ kind: 'failed', seconds, failure });
const released = (cause: StopCause | 'machine', reason: string, seconds = 0): TaskOutcome => ({
  kind: 'released',
  seconds,
  cause,
  reason,
});
