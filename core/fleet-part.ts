/**
 * What one fleet has of an open job: its open tasks, and its part of the machines and of the money that the job may have.
 * A job's bounds hold over all its fleets together.
 *
 * Machines are split once for all by the fleets' tasks, not by what is left of them: two scalers that see different moments
 * still never allow more than the job may have. Money is split anew each time, first what machines that run will cost, then the
 * rest by open tasks: the parts add up to what is left.
 */
import { budgetLeftUsd } from './budget.ts';
import { hasEnded, type Instance } from './instance.ts';
import { apportion } from './place-tasks.ts';
import { fleetsNamed, openByFleet, type Placement, type Share, tasksByFleet } from './placement.ts';
import type { JobProgress } from './ports.ts';

export interface FleetPart {
  readonly openTasks: number;
  /** Of the job's open tasks, 0 to 1. */
  readonly share: number;
  readonly maxInstances: number | null;
  readonly budgetLeftUsd: number | null;
}

/** What the fleets of a job over several run now. */
export type MachinesByFleet = ReadonlyMap<string, readonly Instance[]>;

/** A dollar that is too little for any machine, so that the plan says that the money is short, not the work. */
const NEXT_TO_NOTHING_USD = 1e-6;
/** What a machine that runs is taken to cost yet: an hour. It shapes the parts, it does not change their sum. */
const HELD_HOURS = 1;

/** @param machines needed only for a job over several fleets that has a budget, or a maximum and a fleet that it left */
export function partOf(progress: JobProgress, fleet: string, machines: MachinesByFleet, now: Date): FleetPart {
  const { job, counters } = progress;
  const open = job.taskCount - counters.completed - counters.failed - counters.cancelled;
  if (!job.placement) {
    const isIts = fleetsNamed(job).includes(fleet);
    return {
      openTasks: isIts ? open : 0,
      share: isIts ? 1 : 0,
      maxInstances: job.maxInstances,
      budgetLeftUsd: budgetLeftUsd(job, counters),
    };
  }
  const openTasks = openByFleet(job.placement, counters.endedByFleet ?? {});
  const all = [...openTasks.values()].reduce((sum, count) => sum + count, 0);
  const share = all > 0 ? (openTasks.get(fleet) ?? 0) / all : 0;
  return {
    openTasks: Math.min(open, openTasks.get(fleet) ?? 0),
    share,
    maxInstances: machinesFor(progress, job.placement, openTasks, machines, now).get(fleet) ?? null,
    budgetLeftUsd: moneyFor(progress, fleet, share, machines),
  };
}

/** How many machines each fleet may have of the job's; empty when it may have any number. */
function machinesFor(
  { job }: JobProgress,
  placement: Placement,
  openTasks: ReadonlyMap<string, number>,
  machines: MachinesByFleet,
  now: Date,
): ReadonlyMap<string, number> {
  if (job.maxInstances === null) return new Map();
  const tasks = tasksByFleet(placement);
  const having = [...tasks].filter(([, count]) => count > 0);
  const allowed = Math.max(0, job.maxInstances - stillHeld(job, placement, machines, now));
  // It was lowered below the number of its fleets, or machines that it left count: one after the other then.
  const served = having.length > allowed ? having.filter(([fleet]) => (openTasks.get(fleet) ?? 0) > 0) : having;
  const parts = splitMachines(
    allowed,
    served.map(([fleet, count]) => ({ fleet, tasks: count })),
  );
  return new Map([...tasks.keys()].map((fleet) => [fleet, parts.get(fleet) ?? 0]));
}

/** One for each fleet, the first ones if there are too few, and the rest by their tasks. */
export function splitMachines(machines: number, shares: readonly Share[]): ReadonlyMap<string, number> {
  const served = shares.slice(0, machines);
  const rest = apportion(
    machines - served.length,
    served.map(({ tasks }) => tasks),
  );
  return new Map(served.map(({ fleet }, at) => [fleet, 1 + (rest[at] ?? 0)]));
}

/**
 * Machines of fleets that it left, as long as they may still run a task of it: what was started before may go on for as long
 * as a task may take. The control plane may be unable to ask what became of them.
 */
function stillHeld(
  { timeoutSeconds, code, maxInstances }: JobProgress['job'],
  { left, shares }: Placement,
  machines: MachinesByFleet,
  now: Date,
): number {
  const longestMs = (timeoutSeconds + (code.setup === null ? 0 : code.setupTimeoutSeconds)) * 1_000;
  const lately = left.filter(({ at }) => now.getTime() - Date.parse(at) < longestMs);
  const total = shares.reduce((sum, { tasks }) => sum + tasks, 0);
  return lately.reduce((sum, { fleet, to }) => {
    const tasks = to.reduce((all, share) => all + share.tasks, 0);
    // The fleet may work for others too: more than its part were not the job's.
    const part = Math.max(1, Math.ceil(((maxInstances ?? 0) * tasks) / total));
    return sum + Math.min(part, liveOn(machines, fleet).length);
  }, 0);
}

function moneyFor(
  { job, counters }: JobProgress,
  fleet: string,
  share: number,
  machines: MachinesByFleet,
): number | null {
  const left = budgetLeftUsd(job, counters);
  if (left === null || left === 0) return left;
  const held = (name: string): number =>
    liveOn(machines, name).reduce((sum, { hourlyPriceUsd }) => sum + hourlyPriceUsd * HELD_HOURS, 0);
  const all = fleetsNamed(job).reduce((sum, name) => sum + held(name), 0);
  const reserved = all > left ? left / all : 1;
  return Math.max(NEXT_TO_NOTHING_USD, held(fleet) * reserved + Math.max(0, left - all) * share);
}

const liveOn = (machines: MachinesByFleet, fleet: string): readonly Instance[] =>
  (machines.get(fleet) ?? []).filter(({ state }) => !hasEnded(state));
