/**
 * One tick: every fleet is planned and launched for, lost tasks are sent again, abandoned jobs started. Nine of ten idle
 * ticks cost one read: the index of open jobs is empty.
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import { endlessPatience, type Patience } from '../../adapters/patience.ts';
import type { Fleet } from '../../core/fleet.ts';
import { partOf } from '../../core/fleet-part.ts';
import { isClosed, type Job } from '../../core/job.ts';
import { allEnded } from '../../core/job-outcome.ts';
import { fleetsNamed, fleetsWithTasks, hasLeft } from '../../core/placement.ts';
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
import type { FleetJob } from './fleet-job.ts';
import { type KnownFleets, leaveFleets } from './leave-fleets.ts';
import { moveTasks } from './move-tasks.ts';
import { noteOutage } from './note-outage.ts';
import { type PausePorts, pauseSpent, tellMachines } from './pause-spent.ts';
import { scaleFleet } from './scale-fleet.ts';
import type { Observation, ScaledFleet, ScalePorts, ScaleSettings } from './scale-ports.ts';
import { type SweepPorts, sweep } from './sweep.ts';

/** Machines end themselves; so seldom the control plane looks whether they did, when there is no work. */
const LOOK_EVERY_MINUTES = 10;
const READS_AT_ONCE = 8;
/** Of the 55 s that a tick has: what one fleet may take of it, and a question to its cloud. */
const FLEET_SECONDS = 30;
const LIST_SECONDS = 20;
const DEPTH_SECONDS = 10;
/** A submission takes no longer from its row to its execution. */
const ABANDONED_SECONDS = 60;

export interface TickPorts extends Omit<ScalePorts, 'observe' | 'jobs'>, SweepPorts, PausePorts {
  readonly fleets: FleetStore;
  readonly jobs: JobStore;
  readonly machine: JobMachine;
  /** Told when one fleet fails; the others go on. */
  readonly onFleetFailed: (fleet: string, error: unknown) => void;
}

export interface TickSettings extends ScaleSettings {
  readonly sweep: SweepLimits;
}

export interface Tick {
  readonly fleets: readonly ScaledFleet[];
  /** Tasks that were lost, and are sent again. */
  readonly sentAgain: number;
  /** Tasks of fleets that were left, sent to others. */
  readonly moved: number;
}

export async function scale(fleets: readonly Fleet[], ports: TickPorts, settings: TickSettings): Promise<Tick> {
  const open = await ports.jobs.listOpen();
  const look = ports.clock.now().getUTCMinutes() % LOOK_EVERY_MINUTES === 0;
  if (open.length === 0 && !look) return { fleets: [], sentAgain: 0, moved: 0 };
  const read = await inParallel(open, READS_AT_ONCE, (jobId) => ports.jobs.progress(jobId));
  const found = read.filter((progress): progress is JobProgress => progress !== undefined);
  const paused = await pauseSpent(found, ports);
  const known = await sharedFleets(paused, ports);
  const jobs = await leaveFleets(paused, fleets, known, ports, settings);
  await tellMachines(jobs, ports);
  await inParallel(jobs.filter(isAbandoned(ports.clock.now())), READS_AT_ONCE, async ({ job }) => {
    // The next tick tries again; this one has fleets to look after.
    await ports.machine.start(job).catch((error: unknown) => ports.onJobFailed(job.jobId, error));
  });
  await inParallel(jobs, READS_AT_ONCE, async (progress) => {
    const { taskToken, jobId } = progress.job;
    const signal = unheard(progress);
    if (taskToken === null || signal === null) return;
    await ports.machine.signal(taskToken, signal).catch((error: unknown) => ports.onJobFailed(jobId, error));
  });
  // Before the fleets: one that does not answer may take long to say so.
  const moved = await moveTasks(jobs, ports);

  // Planning and sweeping ask for the same depths.
  const patience = ports.patience ?? endlessPatience;
  const looking = {
    ...ports,
    queues: depthsOnce(ports.queues, patience),
    observe: listedOnce(ports.clock, patience),
  };
  const working = fleets.filter((fleet) => look || jobs.some(({ job }) => isConcerned(job, fleet.name)));
  const gone = look ? await removedFleets(fleets, looking) : [];
  const scaled = await inParallel([...working, ...gone], READS_AT_ONCE, async (fleet) => {
    const own = partsOf(fleet, jobs, known, ports.clock.now());
    try {
      const scaling = scaleFleet(fleet, own, looking, { ...settings, look });
      return await patience(scaling, FLEET_SECONDS, fleet.name);
    } catch (error) {
      ports.onFleetFailed(fleet.name, error);
      const isShared = own.some(({ job }) => job.placement !== null);
      if (isShared)
        await noteOutage(fleet, own, looking).catch((failed: unknown) => ports.onFleetFailed(fleet.name, failed));
      return undefined;
    }
  });
  const sentAgain = await sweep(jobs, looking, settings.sweep);
  return { fleets: scaled.filter((each) => each !== undefined), sentAgain, moved };
}

/** Whether the fleet has machines of the job, or may have: one that it left has them for a while. */
const isConcerned = (job: Job, fleet: string): boolean => fleetsWithTasks(job).includes(fleet) || hasLeft(job, fleet);

/** What jobs over several fleets must know of all of them: their trouble, and what runs there. */
async function sharedFleets(jobs: readonly JobProgress[], { fleets }: Pick<TickPorts, 'fleets'>): Promise<KnownFleets> {
  const names = [...new Set(jobs.flatMap(({ job }) => (job.placement ? fleetsNamed(job) : [])))];
  const read = await inParallel(names, READS_AT_ONCE, async (name) => [name, await fleets.read(name)] as const);
  return new Map(read);
}

/** The jobs that have work for the fleet, each with its part. */
function partsOf(fleet: Fleet, jobs: readonly JobProgress[], known: KnownFleets, now: Date): FleetJob[] {
  const machines = new Map([...known].map(([name, { instances }]) => [name, instances]));
  return jobs
    .filter(({ job }) => fleetsWithTasks(job).includes(fleet.name))
    .map((progress) => ({ ...progress, part: partOf(progress, fleet.name, machines, now) }));
}

/** One list for all fleets of a provider: their number must not be what the provider's limits break at. */
function listedOnce(clock: Clock, patience: Patience): ScalePorts['observe'] {
  const lists = new Map<InstanceProvider, Promise<Observation>>();
  const ask = async (provider: InstanceProvider): Promise<Observation> => {
    const askedAt = clock.now();
    return { machines: await patience(provider.list(), LIST_SECONDS, provider.name), askedAt };
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
function depthsOnce(queues: TaskQueues, patience: Patience): TaskQueues {
  const known = new Map<string, TaskQueue>();
  return (fleet, priority) => {
    const name = `${fleet}/${priority}`;
    const queue = known.get(name) ?? depthOnce(queues(fleet, priority), patience);
    known.set(name, queue);
    return queue;
  };
}

function depthOnce(queue: TaskQueue, patience: Patience): TaskQueue {
  let depth: Promise<QueueDepth | null> | undefined;
  return {
    send: (messages) => queue.send(messages),
    receive: (options) => queue.receive(options),
    acknowledge: (leases) => queue.acknowledge(leases),
    changeLease: (leases, seconds) => queue.changeLease(leases, seconds),
    depth: () => {
      depth ??= patience(queue.depth(), DEPTH_SECONDS, 'the queue');
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
