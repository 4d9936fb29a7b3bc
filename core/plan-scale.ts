/**
 * How many machines a fleet wants, decided: `planScale(snapshot, limits)`.
 *
 * The wanted number follows from outstanding *work*, not from depth:
 *
 *     tasks        = min(messages on the queues, open tasks of the jobs)       a message of a closed job is no work
 *     work seconds = Σ over jobs: its share of those tasks × its seconds a task
 *     wanted       = fewest machines that drain the work within the drain target, one slot a task at most,
 *                    within the jobs' and the fleet's bounds
 *     launch       = wanted − machines that work or will − machines asked for but not yet seen
 *
 * Invariants: never negative; machines in any state that has not ended, intents and launches together never exceed
 * `maxInstances`; more messages on the queues, or more seconds a task, never want fewer machines. Nothing here ends a busy machine: machines end themselves, the
 * plan names only those that never became ready or are past their lifetime.
 */
import type { Instance, InstanceState, LaunchIntent } from './instance.ts';
import { hasEnded } from './instance.ts';

/** What an open job asks of its fleet. */
export interface OpenWork {
  readonly jobId: string;
  /** Tasks that are not terminal. */
  readonly openTasks: number;
  /** Measured, or as the user expects, or `null` when nothing is known. */
  readonly secondsPerTask: number | null;
  /** How many slots one task takes; 1 unless told otherwise. */
  readonly slotsPerTask?: number;
  readonly maxInstances: number | null;
}

export interface QueueDepth {
  readonly visible: number;
  /** Leased and not yet acknowledged: work too. */
  readonly inFlight: number;
  readonly delayed: number;
}

export interface ScaleSnapshot {
  readonly now: Date;
  readonly depth: QueueDepth;
  readonly jobs: readonly OpenWork[];
  readonly instances: readonly Instance[];
  readonly intents: readonly LaunchIntent[];
}

export interface ScaleLimits {
  readonly minInstances: number;
  readonly maxInstances: number;
  readonly slotsPerInstance: number;
  /** The time in which the present work should be done. */
  readonly drainTargetSeconds: number;
  /** Taken for a task of which nothing is known. */
  readonly unknownSecondsPerTask: number;
}

export interface ScalePlan {
  readonly wanted: number;
  readonly launch: number;
  readonly terminate: readonly { readonly instanceId: string; readonly reason: string }[];
  /** Why, in sentences for people. */
  readonly reasons: readonly string[];
}

/** Plans one fleet. Pure. */
export function planScale(snapshot: ScaleSnapshot, limits: ScaleLimits): ScalePlan {
  const reasons: string[] = [];
  const terminate = overdue(snapshot);
  const leaving = new Set(terminate.map((entry) => entry.instanceId));
  const staying = snapshot.instances.filter((each) => !hasEnded(each.state) && !leaving.has(each.instanceId));
  const askedFor = outstandingIntents(snapshot);
  const working = staying.filter((each) => WORKS[each.state]).length;

  const wanted = wantedInstances(snapshot, limits, reasons);
  const missing = Math.max(0, wanted - working - askedFor);
  // Draining machines and those about to be ended still exist: they count against the maximum.
  const present = snapshot.instances.filter((each) => !hasEnded(each.state)).length;
  const room = Math.max(0, limits.maxInstances - present - askedFor);
  const launch = Math.min(missing, room);

  reasons.push(`${wanted} wanted, ${working} working or booting, ${askedFor} asked for: launching ${launch}`);
  if (missing > room) reasons.push(`${missing - room} more would exceed the fleet's maximum of ${limits.maxInstances}`);
  return { wanted, launch, terminate, reasons: [...reasons, ...terminate.map((entry) => entry.reason)] };
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

function wantedInstances(snapshot: ScaleSnapshot, limits: ScaleLimits, reasons: string[]): number {
  const { depth, jobs } = snapshot;
  const openTasks = jobs.reduce((sum, job) => sum + job.openTasks, 0);
  const onQueue = depth.visible + depth.inFlight;
  const tasks = Math.min(onQueue, openTasks);
  if (tasks === 0) {
    reasons.push(onQueue > 0 ? `${onQueue} messages on the queues, but no open task` : 'no work on the queues');
    return openTasks > 0 ? limits.minInstances : 0;
  }
  const openSlots = jobs.reduce((sum, job) => sum + job.openTasks * (job.slotsPerTask ?? 1), 0);
  const openSeconds = jobs.reduce(
    (sum, job) => sum + job.openTasks * (job.slotsPerTask ?? 1) * (job.secondsPerTask ?? limits.unknownSecondsPerTask),
    0,
  );
  const workSeconds = openSeconds * (tasks / openTasks);
  const forTarget = Math.ceil(workSeconds / (limits.drainTargetSeconds * limits.slotsPerInstance));
  // A task never runs on two machines: a larger one than a machine's slots hold is for the machine to refuse.
  const forTasks = Math.min(tasks, Math.ceil((openSlots * (tasks / openTasks)) / limits.slotsPerInstance));
  const jobsBound = boundOfJobs(jobs);
  const needed = Math.max(1, Math.min(forTarget, forTasks));
  const wanted = Math.min(Math.max(Math.min(needed, jobsBound), limits.minInstances), limits.maxInstances);

  reasons.push(
    `${tasks} tasks, about ${Math.round(workSeconds)} s of work: ${needed} machines of ${limits.slotsPerInstance} ` +
      `slots finish it within ${limits.drainTargetSeconds} s`,
  );
  if (jobsBound < needed) reasons.push(`the jobs allow at most ${jobsBound} machines`);
  return wanted;
}

/** The machines that the open jobs allow together; a job without a bound allows any number. */
function boundOfJobs(jobs: readonly OpenWork[]): number {
  return jobs
    .filter((job) => job.openTasks > 0)
    .reduce((sum, job) => sum + (job.maxInstances ?? Number.POSITIVE_INFINITY), 0);
}

/** Machines asked for and neither found nor given up. */
function outstandingIntents({ now, intents, instances }: ScaleSnapshot): number {
  return intents
    .filter((intent) => Date.parse(intent.expiresAt) > now.getTime())
    .reduce((sum, intent) => {
      const found = instances.filter((each) => each.intentId === intent.intentId).length;
      return sum + Math.max(0, intent.count - found);
    }, 0);
}

function overdue({ now, instances }: ScaleSnapshot): ScalePlan['terminate'] {
  const passed = (at: string): boolean => Date.parse(at) <= now.getTime();
  return instances.flatMap(({ instanceId, state, readyDeadlineAt, expiresAt }) => {
    if (hasEnded(state)) return [];
    if (passed(expiresAt)) return [{ instanceId, reason: `${instanceId} is past its maximum lifetime` }];
    const boots = state === 'REQUESTED' || state === 'BOOTING';
    if (boots && passed(readyDeadlineAt)) return [{ instanceId, reason: `${instanceId} was never ready in time` }];
    return [];
  });
}
