/**
 * What a fleet's machines have before them, and how much of it they will do: the arithmetic under `planScale`.
 *
 * Work is counted in slot-seconds: tasks × slots a task × seconds a task. Counted are messages that a machine could take
 * now, and that some open job explains, and what is on its way to the queue: machines boot while it fills. Not counted, because a machine for them would find nothing to do (*phantom work*):
 * messages of closed jobs, retries that wait for their time (it is at most minutes, and a machine that is there then takes
 * them), and leases that no living machine can hold: a dead one's tasks are work again when its leases end.
 *
 * A queue that does not tell its depth (Pub/Sub) is taken to hold what was sent to it and has not come home: every open task.
 * Living machines are taken to hold as many of them as they can. A retry that waits for its time then counts as work too
 * early, and a dead machine's task at once: at worst a machine finds nothing to do, and ends itself.
 */
import { hasEnded, type Instance, type InstanceState } from './instance.ts';

/** What an open job asks of its fleet. */
export interface OpenWork {
  readonly jobId: string;
  /** Tasks that are not terminal. */
  readonly openTasks: number;
  /** Its tasks are being put on the queue: all will be there before a machine that is asked for now can be. */
  readonly isFilling?: boolean;
  /** Of these, tasks that reported their start: those that take longer than a moment. */
  readonly running?: number;
  /** For so long its running tasks have been running, where that is known: as long as none has ended. */
  readonly runningForSeconds?: number | null;
  /** Measured, or as the user expects, or `null` when nothing is known. */
  readonly secondsPerTask: number | null;
  /** How many slots one task takes; 1 unless told otherwise. */
  readonly slotsPerTask?: number;
  readonly maxInstances: number | null;
  /** When its user wants it done; the drain target counts where none is given. */
  readonly deadlineAt?: string | null;
  /** What may still be spent on it; `null`: no budget. */
  readonly budgetLeftUsd?: number | null;
  /** Its machines report trouble, and nothing finished since: more machines would have the same. */
  readonly troubled?: boolean;
}

export interface QueueDepth {
  readonly visible: number;
  /** Leased and not yet acknowledged: work too. */
  readonly inFlight: number;
  readonly delayed: number;
}

/** One job's part of the work that waits. */
export interface Demand {
  readonly work: OpenWork;
  readonly tasks: number;
  readonly slotSeconds: number;
  /** Counted from when a machine launched now could start. */
  readonly targetSeconds: number;
}

export interface Outstanding {
  readonly demands: readonly Demand[];
  readonly waitingTasks: number;
  readonly waitingSlots: number;
  readonly waitingSlotSeconds: number;
  /** Slots of living machines in which something runs. */
  readonly heldSlots: number;
  /** Leased, but by nobody who lives. */
  readonly phantomTasks: number;
}

/** Whether a machine in this state will still take work. */
const WORKS: Readonly<Record<InstanceState, boolean>> = {
  REQUESTED: true,
  BOOTING: true,
  READY: true,
  DRAINING: false,
  TERMINATED: false,
  INTERRUPTED: false,
  FAILED: false,
};
export const willWork = ({ state }: Pick<Instance, 'state'>): boolean => WORKS[state];

/** An agent leases a few seconds of work ahead of its slots (its `TaskPace`), at most so many messages. */
const LEASED_AHEAD_SECONDS = 5;
const MOST_LEASED_AHEAD = 20;

export interface WorkSettings {
  readonly drainTargetSeconds: number;
  readonly unknownSecondsPerTask: number;
  readonly bootSeconds: number;
}

/** @param instances of the fleet, in any state */
export function outstandingWork(
  snapshot: { readonly now: Date; readonly depth: QueueDepth | null; readonly jobs: readonly OpenWork[] },
  instances: readonly Instance[],
  settings: WorkSettings,
): Outstanding {
  // A job whose budget is spent is about to be paused: what it has left is not work for a new machine.
  const jobs = snapshot.jobs.filter((job) => job.openTasks > 0 && (job.budgetLeftUsd ?? 1) > 0);
  const openTasks = jobs.reduce((sum, job) => sum + job.openTasks, 0);
  const alive = instances.filter(({ state }) => state === 'READY' || state === 'DRAINING');
  const slots = alive.reduce((sum, each) => sum + each.slots, 0);
  const largest = jobs.reduce((most, job) => Math.max(most, job.slotsPerTask ?? 1), MIN_SLOTS);
  const holdable = holdableTasks(jobs, alive.length, slots, settings);
  const depth: QueueDepth = snapshot.depth ?? {
    visible: openTasks,
    inFlight: Math.min(openTasks, holdable),
    delayed: 0,
  };
  const toCome = jobs.reduce((sum, job) => sum + (job.isFilling ? job.openTasks : 0), 0);
  const held = Math.min(depth.inFlight, holdable);
  // What is leased may be of closed jobs, but for what surely runs there is no message that waits.
  const surelyHeld = Math.min(held, Math.floor(slots / largest));
  const waitingTasks = Math.min(depth.visible + toCome, Math.max(0, openTasks - surelyHeld));
  const share = openTasks > 0 ? waitingTasks / openTasks : 0;
  const demands = jobs.map((work): Demand => {
    const tasks = work.openTasks * share;
    const seconds = work.secondsPerTask ?? settings.unknownSecondsPerTask;
    return {
      work,
      tasks,
      slotSeconds: tasks * (work.slotsPerTask ?? 1) * seconds,
      targetSeconds: targetSeconds(work, snapshot.now, settings),
    };
  });
  return {
    demands,
    waitingTasks,
    waitingSlots: demands.reduce((sum, { tasks, work }) => sum + tasks * (work.slotsPerTask ?? 1), 0),
    waitingSlotSeconds: demands.reduce((sum, demand) => sum + demand.slotSeconds, 0),
    heldSlots: Math.min(slots, held * largest),
    phantomTasks: depth.inFlight - held,
  };
}

/** A task takes some part of a machine, however small. */
const MIN_SLOTS = 0.001;

/** The most messages that living machines may have leased: those that they run, and a few seconds' worth ahead. */
function holdableTasks(jobs: readonly OpenWork[], machines: number, slots: number, settings: WorkSettings): number {
  const seconds = jobs.map((job) => job.secondsPerTask ?? settings.unknownSecondsPerTask);
  const shortest = seconds.reduce((least, each) => Math.min(least, each), Number.MAX_VALUE);
  const smallest = jobs.reduce((least, job) => Math.min(least, job.slotsPerTask ?? 1), 1);
  const ahead = (slots * LEASED_AHEAD_SECONDS) / Math.max(0.001, shortest);
  return Math.ceil(slots / Math.max(MIN_SLOTS, smallest) + Math.min(MOST_LEASED_AHEAD * machines, ahead));
}

/** A deadline nearer than two boots is as good as past: the work is wanted as soon as can be, within another boot. */
function targetSeconds({ deadlineAt }: OpenWork, now: Date, settings: WorkSettings): number {
  if (!deadlineAt) return settings.drainTargetSeconds;
  const left = (Date.parse(deadlineAt) - now.getTime()) / 1_000 - settings.bootSeconds;
  return Math.max(settings.bootSeconds, 1, left * DEADLINE_MARGIN);
}
/** Tasks do not all take what they take on average, and machines are lost. */
const DEADLINE_MARGIN = 0.85;

/**
 * Times the mean. Found by `npm run simulate:fleet`: with less, the few long tasks of a heavy-tailed job hold up the short ones
 * that wait behind them; with more, machines are launched that the running ones would have made up for.
 */
const STILL_TO_RUN = 6;

/** The slots of the machines that are there or will be. */
export interface Supply {
  readonly slots: number;
  /** Slot-seconds that go by before those that still boot are ready. */
  readonly bootSlotSeconds: number;
}

/** A machine that should be ready by now is given so much of a boot again. */
const OVERDUE_SHARE = 0.25;

/** @param askedFor slots of machines that were asked for and not seen yet */
export function supplyOf(working: readonly Instance[], askedFor: number, now: Date, bootSeconds: number): Supply {
  const secondsUntilReady = ({ state, requestedAt }: Instance): number => {
    if (state === 'READY') return 0;
    const age = Math.max(0, (now.getTime() - Date.parse(requestedAt)) / 1_000);
    return Math.max(bootSeconds - age, bootSeconds * OVERDUE_SHARE);
  };
  return {
    slots: working.reduce((sum, each) => sum + each.slots, askedFor),
    bootSlotSeconds: working.reduce((sum, each) => sum + each.slots * secondsUntilReady(each), askedFor * bootSeconds),
  };
}

/**
 * Slot-seconds that the machines have for waiting work within the next `seconds` (a boot at least): all of theirs, less what
 * tasks that run now will take. That is more than the mean, however long they ran: durations vary so much in practice that a
 * task found running is more likely a long one, and one that has run for long will for as long again.
 */
export function freeSlotSeconds(
  seconds: number,
  supply: Supply,
  { jobs, heldSlots }: { readonly jobs: readonly OpenWork[]; readonly heldSlots: number },
  unknownSecondsPerTask: number,
): number {
  const taken = jobs.reduce((sum, job) => {
    const mean = job.secondsPerTask ?? unknownSecondsPerTask;
    const secondsLeft = Math.min(seconds, Math.max(mean * STILL_TO_RUN, job.runningForSeconds ?? 0));
    return sum + (job.running ?? 0) * (job.slotsPerTask ?? 1) * secondsLeft;
  }, 0);
  // A task that runs on a machine that is gone counts as running until its lease ends: it takes no slot.
  return Math.max(0, supply.slots * seconds - supply.bootSlotSeconds - Math.min(taken, heldSlots * seconds));
}

/** What a boot takes here: the median of the fleet's machines, as far as they have one to tell. */
export function measuredBootSeconds(instances: readonly Instance[], otherwise: number): number {
  const boots = instances
    .flatMap(({ state, readyAt, requestedAt }) =>
      readyAt && !hasEnded(state) ? [(Date.parse(readyAt) - Date.parse(requestedAt)) / 1_000] : [],
    )
    .sort((a, b) => a - b);
  return Math.max(1, boots[Math.floor(boots.length / 2)] ?? otherwise);
}
