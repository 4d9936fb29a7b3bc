/**
 * One tick: every fleet is planned and launched for, lost tasks are sent again, abandoned jobs started. Nine of ten idle
 * ticks cost one read: the index of open jobs is empty.
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import type { Fleet } from '../../core/fleet.ts';
import { isClosed } from '../../core/job.ts';
import { allEnded } from '../../core/job-outcome.ts';
import type { QueueDepth } from '../../core/plan-scale.ts';
import type { SweepLimits } from '../../core/plan-sweep.ts';
import type {
  Clock,
  CompletionSignal,
  FleetStore,
  InstanceProvider,
  JobMachine,
  JobProgress,
  JobStore,
  TaskQueue,
  TaskQueues,
} from '../../core/ports.ts';
import { type PausePorts, pauseSpent } from './pause-spent.ts';
import { type ScaledFleet, scaleFleet } from './scale-fleet.ts';
import type { Observation, ScalePorts, ScaleSettings } from './scale-ports.ts';
import { type SweepPorts, sweep } from './sweep.ts';

/** Machines end themselves; so seldom the control plane looks whether they did, when there is no work. */
const LOOK_EVERY_MINUTES = 10;
const READS_AT_ONCE = 8;
/** A submission takes no longer from its row to its execution. */
const ABANDONED_SECONDS = 60;

export interface TickPorts extends Omit<ScalePorts, 'observe' | 'jobs'>, SweepPorts, PausePorts {
  readonly fleets: FleetStore;
  readonly jobs: JobStore;
  readonly machine: JobMachine;
  /** Told when one fleet fails, or a job of it cannot be started; the others go on. */
  readonly onFleetFailed: (fleet: string, error: unknown) => void;
}

export interface TickSettings extends ScaleSettings {
  readonly sweep: SweepLimits;
}

export interface Tick {
  readonly fleets: readonly ScaledFleet[];
  /** Tasks that were lost, and are sent again. */
  readonly sentAgain: number;
}

export async function scale(fleets: readonly Fleet[], ports: TickPorts, settings: TickSettings): Promise<Tick> {
  const open = await ports.jobs.listOpen();
  const look = ports.clock.now().getUTCMinutes() % LOOK_EVERY_MINUTES === 0;
  if (open.length === 0 && !look) return { fleets: [], sentAgain: 0 };
  const read = await inParallel(open, READS_AT_ONCE, (jobId) => ports.jobs.progress(jobId));
  const found = read.filter((progress): progress is JobProgress => progress !== undefined);
  const jobs = await pauseSpent(found, ports);
  await inParallel(jobs.filter(isAbandoned(ports.clock.now())), READS_AT_ONCE, async ({ job }) => {
    // The next tick tries again; this one has fleets to look after.
    await ports.machine.start(job).catch((error: unknown) => ports.onFleetFailed(job.fleet, error));
  });
  await inParallel(jobs, READS_AT_ONCE, async (progress) => {
    const { taskToken, fleet } = progress.job;
    const signal = unheard(progress);
    if (taskToken === null || signal === null) return;
    await ports.machine.signal(taskToken, signal).catch((error: unknown) => ports.onFleetFailed(fleet, error));
  });

  // Planning and sweeping ask for the same depths.
  const looking = { ...ports, queues: depthsOnce(ports.queues), observe: listedOnce(ports.clock) };
  const working = fleets.filter((fleet) => look || jobs.some(({ job }) => job.fleet === fleet.name));
  const gone = look ? await removedFleets(fleets, looking) : [];
  const scaled = await inParallel([...working, ...gone], READS_AT_ONCE, async (fleet) => {
    try {
      const own = jobs.filter(({ job }) => job.fleet === fleet.name);
      return await scaleFleet(fleet, own, looking, { ...settings, look });
    } catch (error) {
      ports.onFleetFailed(fleet.name, error);
      return undefined;
    }
  });
  const sentAgain = await sweep(jobs, looking, settings.sweep);
  return { fleets: scaled.filter((each) => each !== undefined), sentAgain };
}

/** One list for all fleets of a provider: their number must not be what the provider's limits break at. */
function listedOnce(clock: Clock): ScalePorts['observe'] {
  const lists = new Map<InstanceProvider, Promise<Observation>>();
  const ask = async (provider: InstanceProvider): Promise<Observation> => {
    const askedAt = clock.now();
    return { machines: await provider.list(), askedAt };
  };
  return (provider) => {
    const list = lists.get(provider) ?? ask(provider);
    lists.set(provider, list);
    return list;
  };
}

/**
 * Fleets that `fleets.yml` no longer has, but that still have machines: nobody launches there any more, and what must end
 * is ended as anywhere.
 */
async function removedFleets(fleets: readonly Fleet[], { providerOf, observe }: ScalePorts): Promise<Fleet[]> {
  const names = new Set(fleets.map((fleet) => fleet.name));
  const providers = new Map(fleets.map((fleet) => [providerOf(fleet), fleet] as const));
  const found = await inParallel([...providers], READS_AT_ONCE, async ([provider, like]) => {
    const machines = provider
      ? await observe(provider)
          .then((seen) => seen.machines)
          .catch(() => [])
      : [];
    const strange = machines.filter((each) => each.running && !names.has(each.fleet));
    return [...new Set(strange.map((each) => each.fleet))].map((name) => ({ ...like, name, minInstances: 0 }));
  });
  return found.flat();
}

/** The same queues, each asked for its depth at most once. */
function depthsOnce(queues: TaskQueues): TaskQueues {
  const known = new Map<string, TaskQueue>();
  return (fleet, priority) => {
    const name = `${fleet}/${priority}`;
    const queue = known.get(name) ?? depthOnce(queues(fleet, priority));
    known.set(name, queue);
    return queue;
  };
}

function depthOnce(queue: TaskQueue): TaskQueue {
  let depth: Promise<QueueDepth | null> | undefined;
  return {
    send: (messages) => queue.send(messages),
    receive: (options) => queue.receive(options),
    acknowledge: (leases) => queue.acknowledge(leases),
    changeLease: (leases, seconds) => queue.changeLease(leases, seconds),
    depth: () => {
      depth ??= queue.depth();
      return depth;
    },
  };
}

/**
 * A job whose submission died between its row and its execution: nobody else would ever start it, whatever became of its
 * row since (it may have been paused, and gone on). One that is merely being enqueued looks the same; to start its
 * execution again changes nothing.
 */
const isAbandoned =
  (now: Date) =>
  ({ job }: JobProgress): boolean =>
    !isClosed(job.status) &&
    job.taskToken === null &&
    now.getTime() - Date.parse(job.createdAt) > ABANDONED_SECONDS * 1_000;

/**
 * What a job's execution may not know, because the run that cancelled the job, or the last of its tasks, died before it
 * could tell (or is about to): no report of a machine will come that would make it good. Being told twice changes nothing,
 * and what machines must hear the execution's last step tells them.
 */
function unheard({ job, counters }: JobProgress): CompletionSignal | null {
  if (job.awaits !== 'completion') return null;
  if (job.status === 'CANCELLING') return 'cancelling';
  return counters.cancelled > 0 && allEnded(job, counters) ? 'settled' : null;
}
