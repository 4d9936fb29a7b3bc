/** What runs tasks on a machine: checkouts, commands, and the processes that are kept between two tasks. */
import type { TaskMessage } from '../../core/messages.ts';
import type { AgentPorts, AgentTuning } from './agent.ts';
import { CheckoutShelf } from './checkout-shelf.ts';
import type { WorkSettings } from './config.ts';
import { DiskSpace, probeOf } from './disk-space.ts';
import { JsonlPool } from './jsonl-pool.ts';
import type { Lifecycle } from './lifecycle.ts';
import { MemoryShortage } from './memory-shortage.ts';
import { Preparations } from './preparations.ts';
import { ProcessGroups } from './process-groups.ts';
import { TaskFolders } from './task-folders.ts';
import { TaskInputs } from './task-input.ts';
import { runTask, type TaskAssignment, type TaskOutcome } from './task-runner.ts';

export interface Workshop {
  /** Runs a task to its outcome; never rejects. `announce` says that the command is about to start. */
  run(assignment: TaskAssignment, announce: (assignment: TaskAssignment) => Promise<void>): Promise<TaskOutcome>;
  /** Whether nothing but the command itself is left to be done for a task of this code. */
  isPrepared(code: TaskMessage['code']): boolean;
  /** Whether there are processes that belong to no task: one that waits for the next of its job, one that prepares code. */
  readonly keepsProcesses: boolean;
  /** Ends what waits for tasks of these jobs, and what is being prepared for no others. */
  endJobs(isOver: (jobId: string) => boolean): void;
  /** Resolves when no process is left. */
  close(): Promise<void>;
}

export interface WorkshopPlace {
  readonly settings: WorkSettings;
  readonly ports: Pick<AgentPorts, 'blobs' | 'credentials' | 'clock' | 'random' | 'log'>;
  readonly lifecycle: Lifecycle;
  readonly tuning: AgentTuning;
  readonly freeSlots: () => number;
}

export type OpenWorkshop = (place: WorkshopPlace) => Workshop;

const MAX_FAILURES_IN_A_ROW = 3;

/** The machine's own: real checkouts, real processes. */
export function openWorkshop({ settings, ports, lifecycle, tuning, freeSlots }: WorkshopPlace): Workshop {
  const { blobs, credentials, clock, random, log } = ports;
  const { interrupting: stop, killing: kill } = lifecycle;
  const groups = new ProcessGroups(settings.workDir);
  const preparations: Preparations = new Preparations({
    settings,
    groups,
    credentials,
    clock,
    random,
    stop,
    kill,
    backoffSeconds: tuning.preparationBackoffSeconds,
    patienceSeconds: tuning.preparationPatienceSeconds,
    onTried: (commit, outcome, seconds) => {
      log.info('a checkout was prepared', { commit, outcome: outcome.kind, seconds });
      if (outcome.kind !== 'failed' || preparations.failuresInARow < MAX_FAILURES_IN_A_ROW) return;
      lifecycle.drain(`preparation failed ${MAX_FAILURES_IN_A_ROW} times in a row`);
    },
  });
  const { graceSeconds, maxCheckouts, minFreeDiskMiB, taskUser } = settings;
  const pool = new JsonlPool({ graceSeconds, hurry: stop, kill, room: freeSlots });
  const inputs = new TaskInputs(blobs);
  const disk = new DiskSpace(probeOf(settings.workDir));
  const onRemoved = (commit: string): void => log.info('a checkout was removed', { commit });
  const checkouts = new CheckoutShelf({ preparations, disk, maxCheckouts, minFreeDiskMiB, taskUser, onRemoved });
  const onDiskFull = (): void => lifecycle.drain('the disk is full');
  const taskTools = {
    settings,
    lifecycle,
    checkouts,
    disk,
    memory: new MemoryShortage(),
    onDiskFull,
    inputs,
    blobs,
    folders: new TaskFolders(settings),
    groups,
    pool,
    clock,
    random,
    log,
    kill,
  };
  return {
    run: (assignment, announce) => runTask(assignment, { ...taskTools, announce }),
    isPrepared: (code) => preparations.isReady(code),
    get keepsProcesses() {
      return pool.idleCount > 0 || preparations.isBusy;
    },
    endJobs: (isOver) => {
      pool.endJobs(isOver);
      preparations.endJobs(isOver);
    },
    close: async () => void (await Promise.all([pool.close(), preparations.close()])),
  };
}
