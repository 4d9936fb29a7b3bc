/**
 * How many machines a fleet wants, decided: `planScale(snapshot, limits)`.
 *
 * The wanted number follows from outstanding *work*, not from depth (`outstanding-work.ts`):
 *
 *     waiting   = slot-seconds of tasks that wait              what nobody alive or due can take is no work
 *     free      = slot-seconds that ready and booting machines have for it until boot + target from now
 *     missing   = (waiting − free × 1.1) ÷ target              slots, busy from a boot on until the target
 *     launch    = missing ÷ slots a machine, rounded up        one slot a task at most, within bounds and budget
 *
 * `target` is what is left until a job's deadline, or the fleet's drain target. Deadlines are taken in order: what is due by
 * each of them must fit, whatever is due later. So nothing is launched for three tasks that a running machine finishes
 * before a new one could start, and work that fills the machines to a little over their target waits for them: a new
 * machine costs its boot and its idle end, whatever it finds to do. That tenth, and the wait, keep a constant load from
 * launching now and then; nothing is remembered from one plan to the next.
 *
 * Invariants: never negative; machines in any state that has not ended, intents and launches together never exceed
 * `maxInstances`; what they will cost with this launch stays within the jobs' budgets; more messages on the queues, more
 * seconds a task, or another job never want fewer machines. Nothing here ends a busy machine: machines end themselves, the
 * plan names only those that never became ready or are past their lifetime.
 */
import { counted } from './counted.ts';
import { hasEnded, type Instance, isBooting, type LaunchIntent } from './instance.ts';
import { usd } from './money.ts';
import {
  freeSlotSeconds,
  measuredBootSeconds,
  type OpenWork,
  type Outstanding,
  outstandingWork,
  type QueueDepth,
  type Supply,
  supplyOf,
  willWork,
} from './outstanding-work.ts';

export type { OpenWork, QueueDepth };

export interface ScaleSnapshot {
  readonly now: Date;
  /** `null` where the queues do not tell: then the open tasks are counted in its place. */
  readonly depth: QueueDepth | null;
  readonly jobs: readonly OpenWork[];
  readonly instances: readonly Instance[];
  readonly intents: readonly LaunchIntent[];
  /** How far the reports of machines are read; `null` when nobody knows. Up to now, unless told. */
  readonly reportsUntil?: string | null;
}

export interface ScaleLimits {
  readonly minInstances: number;
  readonly maxInstances: number;
  /** Of the machines that would be launched now. */
  readonly slotsPerInstance: number;
  readonly hourlyPriceUsd: number;
  /** The time in which the present work should be done, where no deadline says otherwise. */
  readonly drainTargetSeconds: number;
  /** Taken for a task of which nothing is known. */
  readonly unknownSecondsPerTask: number;
  /** From launch to the first task, as long as the fleet's own machines have not told. */
  readonly bootSeconds: number;
  /** How long a machine waits for work before it ends itself. */
  readonly idleSeconds: number;
  /** Machines of somebody's own, which join and leave by themselves: nothing is launched for the work, or ended. */
  readonly isOwn?: boolean;
}

export interface ScalePlan {
  readonly wanted: number;
  readonly launch: number;
  readonly terminate: readonly { readonly instanceId: string; readonly reason: string }[];
  /** Why, in sentences for people. */
  readonly reasons: readonly string[];
}

/** Machines may take so much longer than the target before another is launched. */
const TOLERANCE = 0.1;

/** Plans one fleet. Pure; linear in machines, jobs and intents (but for sorting the jobs by deadline). */
export function planScale(snapshot: ScaleSnapshot, limits: ScaleLimits): ScalePlan {
  const terminate = limits.isOwn ? [] : overdue(snapshot);
  const leaving = new Set(terminate.map((entry) => entry.instanceId));
  const present = snapshot.instances.filter((each) => !hasEnded(each.state));
  const staying = present.filter((each) => !leaving.has(each.instanceId));
  const working = staying.filter(willWork);
  const askedFor = outstandingIntents(snapshot);
  const bootSeconds = measuredBootSeconds(staying, limits.bootSeconds);
  const work = outstandingWork(snapshot, staying, { ...limits, bootSeconds });

  const reasons: string[] = [];
  const missing = missingMachines(snapshot, limits, { work, working, askedFor, bootSeconds, reasons });
  const open = snapshot.jobs.some((job) => job.openTasks > 0);
  const existing = working.length + askedFor;
  const wanted = wantedMachines(work, limits, { missing, open, existing, jobs: snapshot.jobs, reasons });
  if (limits.isOwn) {
    const machines = `${wanted} wanted, ${counted(working.length, 'of your own is', 'of your own are')} there`;
    return { wanted, launch: 0, terminate, reasons: [...reasons, `${machines}: nothing is launched`] };
  }

  const room: [number, string][] = [
    // Draining machines and those about to be ended still exist: they count against the maximum.
    [
      limits.maxInstances - present.length - askedFor,
      `the fleet's maximum of ${counted(limits.maxInstances, 'machine')}`,
    ],
    affordableMachines(snapshot, limits, { work, staying, askedFor, bootSeconds }),
  ];
  const lacking = Math.max(0, wanted - working.length - askedFor);
  const launch = Math.max(0, Math.min(lacking, ...room.map(([machines]) => machines)));
  const states = `${working.length} working or booting, ${askedFor} asked for`;
  reasons.push(`${wanted} wanted, ${states}: launching ${launch}`);
  for (const [machines, bound] of room) {
    if (machines < lacking) reasons.push(`${lacking - Math.max(0, machines)} more would exceed ${bound}`);
  }
  return { wanted, launch, terminate, reasons: [...reasons, ...terminate.map((entry) => entry.reason)] };
}

interface Gathered {
  readonly work: Outstanding;
  readonly working: readonly Instance[];
  readonly askedFor: number;
  readonly bootSeconds: number;
  readonly reasons: string[];
}

/** Machines that are missing to do the waiting work in time, whatever the bounds allow. */
function missingMachines(snapshot: ScaleSnapshot, limits: ScaleLimits, gathered: Gathered): number {
  const { work, working, askedFor, bootSeconds, reasons } = gathered;
  if (work.waitingTasks === 0) {
    reasons.push(whyNoWork(snapshot, work));
    return 0;
  }
  const { slotsPerInstance } = limits;
  const supply = supplyOf(working, askedFor * slotsPerInstance, snapshot.now, bootSeconds);
  const { missingSlots, targetSeconds } = missingSlotsOf(work, supply, snapshot.jobs, limits, bootSeconds);
  // A task never runs on two machines: a larger one than a machine's slots hold is for the machine to refuse.
  const forTasks = work.waitingSlots - Math.max(0, supply.slots - work.heldSlots);
  const useful = Math.max(0, Math.min(Math.ceil(forTasks / slotsPerInstance), work.waitingTasks));
  const missing = Math.max(supply.slots === 0 ? 1 : 0, Math.min(Math.ceil(missingSlots / slotsPerInstance), useful));

  const about = `${counted(work.waitingTasks, 'task waits', 'tasks wait')}, about ${Math.round(work.waitingSlotSeconds)} s of work`;
  const within = `within ${Math.round(targetSeconds)} s after a boot of ${Math.round(bootSeconds)} s`;
  reasons.push(
    missing > 0
      ? `${about}: ${counted(missing, 'more machine')} of ${counted(slotsPerInstance, 'slot')} can finish it ${within}`
      : `${about}: the machines that are there, or will be, can finish it ${within}`,
  );
  return missing;
}

/** Of all deadlines, the one that asks for most. */
function missingSlotsOf(
  work: Outstanding,
  supply: Supply,
  jobs: readonly OpenWork[],
  limits: ScaleLimits,
  bootSeconds: number,
): { missingSlots: number; targetSeconds: number } {
  const demands = [...work.demands].sort((a, b) => a.targetSeconds - b.targetSeconds);
  let most = { missingSlots: 0, targetSeconds: demands[0]?.targetSeconds ?? limits.drainTargetSeconds };
  const running = { jobs, heldSlots: work.heldSlots };
  let dueSlotSeconds = 0;
  for (const [index, { work: job, slotSeconds, targetSeconds }] of demands.entries()) {
    // Of a bounded or troubled job no more is due than the machines that it may have can do.
    const doable = machinesAllowed(job) * limits.slotsPerInstance * (bootSeconds + targetSeconds);
    dueSlotSeconds += Math.min(slotSeconds, doable);
    if (demands[index + 1]?.targetSeconds === targetSeconds) continue;
    const free = freeSlotSeconds(bootSeconds + targetSeconds, supply, running, limits.unknownSecondsPerTask);
    const missingSlots = (dueSlotSeconds - free * (1 + TOLERANCE)) / targetSeconds;
    if (missingSlots > most.missingSlots) most = { missingSlots, targetSeconds };
  }
  return most;
}

interface Wish {
  readonly missing: number;
  /** Whether any job is open. */
  readonly open: boolean;
  readonly existing: number;
  readonly jobs: readonly OpenWork[];
  readonly reasons: string[];
}

/** All machines that the work asks for, those included that are there: within the jobs' bounds and the fleet's. */
function wantedMachines(
  work: Outstanding,
  limits: ScaleLimits,
  { missing, open, existing, jobs, reasons }: Wish,
): number {
  if (!open) return 0;
  const rate = work.demands.reduce((sum, { slotSeconds, targetSeconds }) => sum + slotSeconds / targetSeconds, 0);
  const slots = Math.min(work.heldSlots + rate, work.heldSlots + work.waitingSlots);
  const busy = Math.min(existing, Math.ceil(slots / limits.slotsPerInstance - ROUNDING));
  const needed = missing > 0 ? existing + missing : busy;
  const allowed = jobs.reduce((sum, job) => sum + (job.openTasks > 0 ? machinesAllowed(job) : 0), 0);
  if (allowed < needed) reasons.push(`the jobs allow at most ${counted(allowed, 'machine')}`);
  for (const { jobId, troubled, openTasks } of jobs) {
    if (troubled && openTasks > 0) {
      reasons.push(`${jobId} has trouble on its machines and nothing finished since: one machine until something does`);
    }
  }
  return Math.min(Math.max(Math.min(needed, allowed), limits.minInstances), limits.maxInstances);
}
/** Thirds add up to a whole, whatever floating point says. */
const ROUNDING = 1e-9;

/** Machines that one job may have; any number, if nothing bounds it. */
const machinesAllowed = ({ troubled, maxInstances }: OpenWork): number =>
  Math.min(troubled ? 1 : Number.POSITIVE_INFINITY, maxInstances ?? Number.POSITIVE_INFINITY);

/** Machines that the jobs' budgets still pay for, when all of them have one: those that run are paid for first. */
function affordableMachines(
  { jobs }: ScaleSnapshot,
  limits: ScaleLimits,
  {
    work,
    staying,
    askedFor,
    bootSeconds,
  }: Pick<Gathered, 'work' | 'askedFor' | 'bootSeconds'> & { staying: readonly Instance[] },
): [number, string] {
  const open = jobs.filter((job) => job.openTasks > 0);
  const left = open.reduce((sum, { budgetLeftUsd }) => sum + Math.max(0, budgetLeftUsd ?? Number.POSITIVE_INFINITY), 0);
  const told = `what is left of the budget, ${usd(left)}`;
  if (open.length === 0 || left === Number.POSITIVE_INFINITY || limits.hourlyPriceUsd === 0) {
    return [Number.POSITIVE_INFINITY, told];
  }
  const workSeconds = Math.min(limits.drainTargetSeconds, work.waitingSlotSeconds / limits.slotsPerInstance);
  const usdOf = (hourlyPriceUsd: number, seconds: number): number => (hourlyPriceUsd * seconds) / 3_600;
  const one = usdOf(limits.hourlyPriceUsd, bootSeconds + workSeconds + limits.idleSeconds);
  const running = staying.reduce((sum, { state, hourlyPriceUsd }) => {
    const untilReady = state === 'READY' || state === 'DRAINING' ? 0 : bootSeconds;
    return sum + usdOf(hourlyPriceUsd, untilReady + workSeconds + limits.idleSeconds);
  }, 0);
  return [Math.floor((left - running) / one) - askedFor, told];
}

function whyNoWork({ depth }: ScaleSnapshot, { phantomTasks, heldSlots }: Outstanding): string {
  if (!depth) return heldSlots > 0 ? 'every open task is being worked on, as far as can be counted' : 'no open task';
  if (depth.visible > 0)
    return `${counted(depth.visible, 'message')} on the queues, but no open task for ${depth.visible === 1 ? 'it' : 'them'}`;
  if (heldSlots > 0) return 'every task on the queues is being worked on';
  if (phantomTasks > 0)
    return `${counted(phantomTasks, 'task is', 'tasks are')} leased by machines that are gone: back when the leases end`;
  if (depth.delayed > 0) return `${counted(depth.delayed, 'task waits for its', 'tasks wait for their')} time`;
  return 'no work on the queues';
}

/** Machines asked for and neither found nor given up. */
function outstandingIntents({ now, intents, instances }: ScaleSnapshot): number {
  const found = new Map<string | null, number>();
  for (const { intentId } of instances) found.set(intentId, (found.get(intentId) ?? 0) + 1);
  return intents
    .filter((intent) => Date.parse(intent.expiresAt) > now.getTime())
    .reduce((sum, intent) => sum + Math.max(0, intent.count - (found.get(intent.intentId) ?? 0)), 0);
}

function overdue({ now, instances, reportsUntil = now.toISOString() }: ScaleSnapshot): ScalePlan['terminate'] {
  const passed = (at: string): boolean => Date.parse(at) <= now.getTime();
  // A machine may have said in time that it is ready: as long as its report may still lie in the queue, it is not late.
  const heardOut = (at: string): boolean => reportsUntil !== null && Date.parse(at) <= Date.parse(reportsUntil);
  return instances.flatMap(({ instanceId, state, readyDeadlineAt, expiresAt }) => {
    if (hasEnded(state)) return [];
    if (passed(expiresAt)) return [{ instanceId, reason: `${instanceId} is past its maximum lifetime` }];
    if (isBooting(state) && passed(readyDeadlineAt) && heardOut(readyDeadlineAt))
      return [{ instanceId, reason: `${instanceId} was never ready in time` }];
    return [];
  });
}
