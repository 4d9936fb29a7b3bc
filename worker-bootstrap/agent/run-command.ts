/** The command of one task, run by the protocol that its job chose. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { TaskMessage } from '../../core/messages.ts';
import type { Checkpoint } from '../../core/task.ts';
import type { CheckoutShelf } from './checkout-shelf.ts';
import type { TaskCheckpoint } from './checkpoint.ts';
import type { CommandRun } from './command-run.ts';
import type { WorkSettings } from './config.ts';
import { failureOfRun } from './describe-end.ts';
import type { DiskSpace } from './disk-space.ts';
import type { JsonlPool } from './jsonl-pool.ts';
import { runJsonl } from './jsonl-task.ts';
import { KeptOutput } from './kept-output.ts';
import type { MemoryShortage } from './memory-shortage.ts';
import type { Command, RunLimits } from './process-group.ts';
import type { ProcessGroups } from './process-groups.ts';
import { readResult } from './read-result.ts';
import { runProgram } from './run-program.ts';
import { jsonlEnvironment, taskEnvironment } from './task-environment.ts';
import type { TaskFolders } from './task-folders.ts';

export interface CommandTools {
  readonly settings: Pick<WorkSettings, 'taskUser' | 'graceSeconds' | 'commandPath' | 'maxResultBytes' | 'maxLogBytes'>;
  readonly folders: TaskFolders;
  readonly groups: ProcessGroups;
  readonly pool: JsonlPool;
  readonly checkouts: Pick<CheckoutShelf, 'use' | 'keep' | 'forget'>;
  readonly disk: DiskSpace;
  readonly memory: MemoryShortage;
  readonly kill: AbortSignal;
}

/** A task whose input is at hand, in its checkout. */
export interface ReadyTask {
  readonly message: TaskMessage;
  readonly leaseId: string;
  /** The checkout. */
  readonly checkout: string;
  /** One line of JSON. */
  readonly input: string;
  readonly key: string | undefined;
  readonly stop: AbortSignal;
  /** Between SIGTERM and SIGKILL, when it must stop. */
  readonly stopGraceSeconds: () => number;
  readonly checkpoint: TaskCheckpoint;
  /** Until when what it left may be stored; `null`: nobody wants it. */
  readonly storeUntil: () => Date | null;
  /** Called when all is prepared and the command is about to start. */
  readonly onStart: () => Promise<void>;
}

export const runCommand = (task: ReadyTask, tools: CommandTools): Promise<CommandRun> =>
  task.message.code.protocol === 'jsonl' ? runAsJsonl(task, tools) : runAsProcess(task, tools);

/** `process`: started once a task. */
async function runAsProcess(task: ReadyTask, tools: CommandTools): Promise<CommandRun> {
  const { settings, groups } = tools;
  tools.pool.makeRoom();
  await using folder = await tools.folders.make(task.leaseId);
  await writeFile(folder.inputFile, `${task.input}\n`);
  await task.checkpoint.restore(folder.checkpointFile, task.stop);
  await folder.handOver();
  if (task.stop.aborted) return { kind: 'never-began' };
  await task.onStart();
  const environment = taskEnvironment(task.message, task.key, folder, settings.commandPath);
  const stdin = `${task.input}\n`;
  const kept = new KeptOutput(settings.maxLogBytes);
  using watch = tools.disk.watch();
  const memory = tools.memory.watch();
  const run = await runProgram(
    { ...commandOf(task, environment, settings), ...limitsOf(task, tools), stdin, kept },
    groups,
  );
  const { end, endedFor, seconds, stderr, lastLine } = run;
  if (end.kind === 'not-started') return end;
  const failure = failureOfRun(run, task.message.timeoutSeconds);
  const found =
    (failure && (await memory.explain(failure))) ?? (await readResult(folder.resultFile, lastLine, settings));
  const isOnlyResult = 'json' in found && found.isPrinted && lastLine.isOnlyLine && stderr.isEmpty;
  const printed = kept.bytes === 0 || isOnlyResult ? null : kept;
  const outcome = 'json' in found ? { json: found.json } : { failure: 'failure' in found ? found.failure : found };
  // While all that the command left is still there.
  const diskFull = 'failure' in outcome ? await watch.fullness() : null;
  const mustStop = endedFor !== null && 'failure' in outcome;
  const checkpoint = mustStop ? await storedCheckpoint(task, folder.checkpointFile) : undefined;
  return { kind: 'ran', seconds, endedFor, diskFull, printed, outcome, ...(checkpoint ? { checkpoint } : {}) };
}

async function storedCheckpoint({ checkpoint, storeUntil }: ReadyTask, file: string): Promise<Checkpoint | undefined> {
  const until = storeUntil();
  return until ? checkpoint.store(file, until) : undefined;
}

/** `jsonl`: a process of the same job and code that waits gets the task, or a new one. */
async function runAsJsonl(task: ReadyTask, tools: CommandTools): Promise<CommandRun> {
  const { settings, groups, pool, checkouts, disk, memory } = tools;
  const { message } = task;
  await task.onStart();
  return runJsonl(
    {
      jobId: message.jobId,
      key: JSON.stringify([message.jobId, task.checkout, message.code.run, message.code.env]),
      line: task.input,
      command: async () => {
        const folder = await tools.folders.make(`jsonl-${task.leaseId}`);
        await folder.handOver();
        const environment = jsonlEnvironment(message, folder, settings.commandPath);
        const letGo = checkouts.keep(task.checkout);
        const cleanUp = async (): Promise<void> => {
          letGo();
          await folder[Symbol.asyncDispose]();
        };
        return { command: commandOf(task, environment, settings), cleanUp };
      },
      limits: limitsOf(task, tools),
      maxResultBytes: settings.maxResultBytes,
      maxLogBytes: settings.maxLogBytes,
    },
    { pool, groups, disk, memory },
  );
}

function commandOf(
  { message, checkout }: ReadyTask,
  environment: Readonly<Record<string, string>>,
  { taskUser }: Pick<WorkSettings, 'taskUser'>,
): Command {
  const [command = '', ...parameters] = message.code.run;
  // A command with a slash lies in the checkout; any other is looked up on the PATH.
  const located = command.includes('/') ? resolve(checkout, command) : command;
  return { command: located, arguments: parameters, cwd: checkout, environment, user: taskUser };
}

const limitsOf = (task: ReadyTask, { settings, kill }: Pick<CommandTools, 'settings' | 'kill'>): RunLimits => ({
  timeoutSeconds: task.message.timeoutSeconds,
  graceSeconds: settings.graceSeconds,
  stopGraceSeconds: task.stopGraceSeconds,
  stop: task.stop,
  kill,
});
