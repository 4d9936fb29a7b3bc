/**
 * How the tasks of a job are split over its fleets: `placeTasks(work, candidates)`.
 *
 *     capacity  = machines × tasks at once × tasks one after another until the deadline, or the fleet's drain target
 *     machines  = the fleet's maximum, as far as the job's own maximum goes: the cheapest fleets have theirs first
 *
 * The cheapest fleet gets as much as it can finish in time, the rest goes to the next; what costs the same shares by
 * capacity. When all of them together cannot do it in time, each gets in proportion to its capacity, and all are late alike.
 * A fleet with nothing on offer gets nothing, as long as another one has something.
 *
 * No more fleets get tasks than the job may have machines: each of them needs one.
 */
import { counted } from './counted.ts';
import { usd } from './money.ts';
import type { Share } from './placement.ts';

export interface PlacedWork {
  readonly tasks: number;
  readonly secondsPerTask: number;
  /** Until the deadline; `null`: there is none. */
  readonly secondsLeft: number | null;
  /** Of the job, over all fleets; `null`: whatever the fleets have. */
  readonly maxInstances: number | null;
  /** What a task's input weighs on its way to another cloud; `null`: nobody knows. */
  readonly inputBytesPerTask: number | null;
}

/** One fleet, as it could be used for this work. */
export interface Candidate {
  readonly fleet: string;
  /** Of its best machine; 0 where nothing is rented, `null` where no price is known. */
  readonly usdPerTask: number | null;
  /** Why that machine, or why its price is not known. */
  readonly reason: string;
  /** Why it can run nothing now; `null`: it can. */
  readonly unavailable: string | null;
  /** Tasks that one of its machines runs at once. */
  readonly tasksAtOnce: number;
  readonly maxInstances: number;
  readonly bootSeconds: number;
  /** In which work is to be done where there is no deadline. */
  readonly drainTargetSeconds: number;
  /** What a GB costs that is sent there; 0 within the control plane's own cloud. */
  readonly egressUsdPerGb: number;
}

export interface PlacedTasks {
  /** One a candidate, in their order; they add up to the tasks. */
  readonly shares: readonly Share[];
  /** In sentences for people. */
  readonly reasons: readonly string[];
}

interface Priced extends Candidate {
  /** A task with what its input costs on its way. */
  readonly cost: number;
  readonly capacity: number;
}

/** Costs that differ by less are the same: they are estimates. */
const SAME = 1e-6;

/** Splits a job's tasks. Pure. @throws RangeError when there is no candidate */
export function placeTasks(work: PlacedWork, candidates: readonly Candidate[]): PlacedTasks {
  if (candidates.length === 0) throw new RangeError('no fleet to place tasks on');
  const offering = candidates.filter(({ unavailable }) => unavailable === null);
  const groups = withCapacity(groupsByCost(offering.length > 0 ? offering : candidates, work), work);
  const capacity = groups.flat().reduce((sum, each) => sum + each.capacity, 0);
  const tasks = new Map<string, number>();
  if (capacity < work.tasks) give(groups.flat(), work.tasks, tasks);
  else {
    let rest = work.tasks;
    for (const group of groups) {
      const part = Math.min(
        rest,
        group.reduce((sum, each) => sum + each.capacity, 0),
      );
      give(group, part, tasks);
      rest -= part;
    }
  }
  const shares = candidates.map(({ fleet }) => ({ fleet, tasks: tasks.get(fleet) ?? 0 }));
  return { shares, reasons: reasonsOf(work, candidates, groups, shares) };
}

/** The cheapest first; fleets whose price nobody knows come last. */
function groupsByCost(candidates: readonly Candidate[], work: PlacedWork): Omit<Priced, 'capacity'>[][] {
  const costs = candidates
    .map((each) => ({
      ...each,
      cost: each.usdPerTask === null ? Number.MAX_VALUE : each.usdPerTask + egressOf(each, work),
    }))
    .sort((a, b) => a.cost - b.cost);
  const groups: Omit<Priced, 'capacity'>[][] = [];
  for (const each of costs) {
    const group = groups.at(-1);
    const cheapest = group?.[0];
    if (group && cheapest && each.cost <= cheapest.cost * (1 + SAME)) group.push(each);
    else groups.push([each]);
  }
  return groups;
}

const egressOf = ({ egressUsdPerGb }: Candidate, { inputBytesPerTask }: PlacedWork): number =>
  (egressUsdPerGb * (inputBytesPerTask ?? 0)) / 1e9;

function withCapacity(groups: readonly Omit<Priced, 'capacity'>[][], work: PlacedWork): Priced[][] {
  let machinesLeft = work.maxInstances ?? Number.POSITIVE_INFINITY;
  return groups.map((group) => {
    const wanted = group.reduce((sum, each) => sum + each.maxInstances, 0);
    const machines = apportion(
      Math.min(machinesLeft, wanted),
      group.map((each) => each.maxInstances),
    );
    machinesLeft -= machines.reduce((sum, count) => sum + count, 0);
    return group.map((each, at) => ({ ...each, capacity: capacityOf(each, machines[at] ?? 0, work) }));
  });
}

function capacityOf(
  { tasksAtOnce, bootSeconds, drainTargetSeconds }: Candidate,
  machines: number,
  work: PlacedWork,
): number {
  const seconds = work.secondsLeft === null ? drainTargetSeconds : work.secondsLeft - bootSeconds;
  // However late it is, a machine does at least one.
  const each = Math.max(1, Math.floor(seconds / work.secondsPerTask));
  return machines * Math.max(1, tasksAtOnce) * each;
}

function give(group: readonly Priced[], count: number, tasks: Map<string, number>): void {
  const parts = apportion(
    count,
    group.map((each) => each.capacity),
  );
  for (const [at, { fleet }] of group.entries()) tasks.set(fleet, parts[at] ?? 0);
}

/**
 * Splits a whole number in proportion to weights; the largest remainders are rounded up. What weighs nothing gets nothing,
 * unless nothing weighs anything: then the first has it all.
 */
export function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  if (sum === 0) return weights.map((_, at) => (at === 0 ? total : 0));
  const exact = weights.map((weight) => (total * weight) / sum);
  const parts = exact.map(Math.floor);
  const byRemainder = exact
    .map((value, at) => ({ at, remainder: value - Math.floor(value) }))
    .filter(({ at }) => (weights[at] ?? 0) > 0)
    .sort((a, b) => b.remainder - a.remainder || a.at - b.at);
  const missing = total - parts.reduce((all, part) => all + part, 0);
  for (let given = 0; given < missing; given += 1) {
    const at = byRemainder[given % byRemainder.length]?.at ?? 0;
    parts[at] = (parts[at] ?? 0) + 1;
  }
  return parts;
}

const GB = 1e9;
/** A million tasks cost a cent by then. */
const NOTHING_USD = 1e-8;

function reasonsOf(
  work: PlacedWork,
  candidates: readonly Candidate[],
  groups: readonly Priced[][],
  shares: readonly Share[],
): string[] {
  const placed = groups.flat();
  const none = candidates.every(({ unavailable }) => unavailable !== null);
  const capacity = placed.reduce((sum, each) => sum + each.capacity, 0);
  const tasksOf = new Map(shares.map(({ fleet, tasks }) => [fleet, tasks]));
  const within =
    work.secondsLeft === null ? 'in its drain target' : `in the ${Math.round(work.secondsLeft)} s until the deadline`;
  const told = placed.map(({ fleet, capacity: most, usdPerTask, cost, reason }) => {
    const price =
      usdPerTask === null
        ? 'at a price that is not known'
        : cost < NOTHING_USD
          ? 'at no cost'
          : `at ${usd(cost)} a task`;
    return `${fleet} gets ${tasksOf.get(fleet) ?? 0} of ${counted(work.tasks, 'task')} ${price}; it can finish ${most} ${within}: ${reason}`;
  });
  const refused = candidates.flatMap(({ fleet, unavailable }) =>
    unavailable === null
      ? []
      : [none ? `${fleet} has nothing on offer now: ${unavailable}` : `${fleet} gets nothing: ${unavailable}`],
  );
  const late =
    capacity < work.tasks
      ? ['all of them together cannot finish it in time: each gets in proportion to what it can do']
      : [];
  return [...told, ...refused, ...late, ...egressReasons(work, candidates)];
}

function egressReasons({ inputBytesPerTask }: PlacedWork, candidates: readonly Candidate[]): string[] {
  const paying = candidates.filter(({ egressUsdPerGb }) => egressUsdPerGb > 0);
  if (paying.length === 0) return [];
  const names = paying.map(({ fleet }) => fleet).join(', ');
  if (inputBytesPerTask === null)
    return [`what inputs and results cost on their way to and from ${names} is left out: their size is not known`];
  const dearest = Math.max(...paying.map(({ egressUsdPerGb }) => egressUsdPerGb));
  const each = (inputBytesPerTask / GB) * dearest;
  if (each < NOTHING_USD)
    return [`inputs cost next to nothing on their way to ${names}; results are left out: their size is not known`];
  return [
    `inputs on their way to ${names} are counted at ${usd(each)} a task; results are left out: their size is not known`,
  ];
}
