import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import type { TaskMessage } from '../../core/messages.ts';
import { taskMessageFactory } from '../../test/factories/task-message.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { systemClock } from '../agent/clock.ts';
import { DiskSpace, probeOf } from '../agent/disk-space.ts';
import { JsonlPool } from '../agent/jsonl-pool.ts';
import type { StopCause } from '../agent/lifecycle.ts';
import { createJsonLog } from '../agent/log.ts';
import { type KillCount, MemoryShortage } from '../agent/memory-shortage.ts';
import { ProcessGroups } from '../agent/process-groups.ts';
import { TaskFolders } from '../agent/task-folders.ts';
import { TaskInputs } from '../agent/task-input.ts';
import { runTask, type TaskOutcome } from '../agent/task-runner.ts';
import { readPath } from './config.ts';

export interface OneTask extends Partial<Omit<TaskMessage, 'code'>> {
  /** The checkout; files with a `#!` are executable. */
  readonly files?: Readonly<Record<string, string>>;
  readonly run: readonly string[];
  readonly env?: Record<string, string>;
  readonly blobs?: InMemoryBlobStore;
  readonly stop?: AbortSignal;
  readonly stopCause?: StopCause;
  readonly kill?: AbortSignal;
  readonly graceSeconds?: number;
  readonly maxResultBytes?: number;
  readonly maxLogBytes?: number;
  readonly maxCheckpointBytes?: number;
  /** Until the machine is taken away. */
  readonly secondsLeft?: number;
  /** As if an earlier task had removed it. */
  readonly checkoutIsGone?: boolean;
  readonly protocol?: TaskMessage['code']['protocol'];
  /** Processes that the kernel ended for want of memory. */
  readonly killCount?: KillCount;
  /** Told when the checkout is to be made anew. */
  readonly onForget?: () => void;
}

/** Runs one task in a checkout that is there already: the command and its outcome, without queue and git. */
export function runOneTask(task: OneTask): Promise<TaskOutcome> {
  const {
    files = {},
    run,
    env = {},
    stop,
    kill,
    stopCause = 'interrupted',
    graceSeconds = 0.3,
    maxResultBytes = 100 * 1024 * 1024,
    maxLogBytes = 256 * 1024,
    maxCheckpointBytes = 1024 * 1024,
    secondsLeft = Number.POSITIVE_INFINITY,
    checkoutIsGone = false,
    onForget = () => undefined,
    protocol = 'process',
    killCount = async () => 0,
    ...message
  } = task;
  const folder = join(temporaryFolder(), 'checkout');
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
    if (content.startsWith('#!')) chmodSync(join(folder, name), 0o755);
  }
  const { blobs = new InMemoryBlobStore(), ...fields } = message;
  const workDir = join(dirname(folder), 'work');
  if (checkoutIsGone) rmSync(folder, { recursive: true });
  const never = new AbortController().signal;
  const code = { ...taskMessageFactory().code, run: [...run], env, protocol };
  return runTask(
    {
      lease: {
        leaseId: 'lease-1',
        receiptHandle: 'receipt-1',
        receiveCount: 1,
        message: taskMessageFactory({ timeoutSeconds: 20, ...fields, code }),
      },
      leaseEndsAt: new Date(Date.now() + 60_000),
      stop: stop ?? new AbortController().signal,
      stopCause: () => stopCause,
    },
    {
      settings: {
        ...{ taskUser: null, graceSeconds, cancelGraceSeconds: graceSeconds, commandPath: readPath() },
        ...{ maxResultBytes, maxLogBytes, maxCheckpointBytes },
      },
      lifecycle: { secondsLeft },
      log: createJsonLog(() => undefined, systemClock, {}),
      checkouts: {
        use: async () => ({ preparation: { kind: 'ready', folder }, giveBack: () => undefined }),
        keep: () => () => undefined,
        forget: onForget,
      },
      disk: new DiskSpace(probeOf(workDir)),
      memory: new MemoryShortage(killCount),
      onDiskFull: () => undefined,
      inputs: new TaskInputs(blobs),
      blobs,
      folders: new TaskFolders({ workDir, taskUser: null }),
      groups: new ProcessGroups(workDir),
      pool: new JsonlPool({ graceSeconds, hurry: never, kill: never, room: () => 1 }),
      clock: systemClock,
      random: () => 0.5,
      kill: kill ?? new AbortController().signal,
      announce: async () => undefined,
    },
  );
}
