/**
 * One workload, one policy, one seed: machines boot, take tasks in order of arrival, are taken back, idle and end, and every
 * second of them is paid for. Events by time; nothing sleeps and nothing is random here that the seed does not say.
 */
import type { Choice } from '../../core/choose-instances.ts';
import { EventQueue } from './event-queue.ts';
import { bootSeconds, type Pool } from './virtual-cloud.ts';
import type { SimulatedTask, Workload } from './workloads.ts';

/** The longest task that there is; a lease ends after twelve hours. */
const LONGEST_TASK_SECONDS = 11 * 3_600;
const TICK_SECONDS = 60;
/** A submission wakes the scaler, but a run of it takes a while and two never overlap. */
const WAKE_SECONDS = 5;
/** An agent's drain on notice, from its last word to its end. */
const GOODBYE_SECONDS = 5;

export interface SimulatedJob {
  readonly jobId: string;
  readonly arrivalSeconds: number;
  readonly taskCount: number;
  running: number;
  completed: number;
  completedSeconds: number;
  firstStartSeconds: number | null;
  finishSeconds: number | null;
}

export interface SimulatedMachine {
  readonly id: number;
  readonly pool: Pool;
  readonly slots: number;
  readonly launchedAt: number;
  readonly expiresAt: number;
  readyAt: number | null;
  /** Takes nothing new. */
  draining: boolean;
  endedAt: number | null;
  idleSince: number;
  readonly running: Set<RunningTask>;
}

interface RunningTask {
  readonly task: SimulatedTask;
  readonly job: SimulatedJob;
  readonly machine: SimulatedMachine;
  readonly startedAt: number;
}

/** What a policy sees. */
export interface World {
  readonly now: number;
  /** Jobs with open tasks. */
  readonly openJobs: ReadonlyMap<string, SimulatedJob>;
  readonly closedJobs: readonly SimulatedJob[];
  readonly waiting: number;
  readonly inFlight: number;
  readonly machines: ReadonlySet<SimulatedMachine>;
  /** Whether every job of the workload is done: only a fleet that somebody takes down by hand may know. */
  readonly finished: boolean;
  readonly spentUsd: () => number;
}

export interface Policy {
  readonly name: string;
  /** A machine ends itself when it had nothing to do for so long; `null`: only when it is told to. */
  readonly idleSeconds: number | null;
  /** A machine ends after its first task. */
  readonly singleUse?: boolean;
  plan(world: World, rent: Rent): { readonly launch: number; readonly drain?: number };
}

/** The machines to be had now, the best first, for a fleet that could fill so many slots. */
export interface Rent {
  readonly maxInstances: number;
  /** By machine type. */
  readonly slotsOf: ReadonlyMap<string, number>;
  choose(at: number, slotsWanted: number): readonly Choice[];
  poolOf(choice: Choice): Pool;
}

export interface Outcome {
  readonly policy: string;
  readonly costUsd: number;
  /** From a job's arrival to its last task's end, mean over the jobs. */
  readonly meanFinishSeconds: number;
  readonly makespanSeconds: number;
  readonly meanWaitSeconds: number;
  /** Share of the paid slot-seconds in which no task ran that counts. */
  readonly waste: number;
  readonly machines: number;
  readonly mostMachines: number;
  readonly interrupted: number;
  /** Instance-seconds beyond a machine's lease: there must be none. */
  readonly secondsBeyondLease: number;
  /** When each job was done. */
  readonly finishOf: ReadonlyMap<string, number>;
}

export interface SimulationSettings {
  readonly seed: number;
  readonly maxLifetimeSeconds: number;
  /** The most that one task may take. */
  readonly timeoutSeconds: number;
}

type Event =
  | { readonly kind: 'arrival'; readonly from: number }
  | { readonly kind: 'plan' }
  | { readonly kind: 'ready' | 'idle'; readonly machine: SimulatedMachine; readonly since?: number }
  | { readonly kind: 'done'; readonly running: RunningTask }
  | { readonly kind: 'reclaim'; readonly pool: Pool }
  | { readonly kind: 'notice' | 'last-call'; readonly machine: SimulatedMachine };

export const taskSeconds = ({ durationSeconds }: SimulatedTask): number =>
  Math.min(LONGEST_TASK_SECONDS, Math.max(0.001, durationSeconds));

export function simulate(workload: Workload, policy: Policy, rent: Rent, settings: SimulationSettings): Outcome {
  return new Simulation(workload, policy, rent, settings).run();
}

class Simulation implements World {
  now = 0;
  readonly openJobs = new Map<string, SimulatedJob>();
  readonly closedJobs: SimulatedJob[] = [];
  readonly machines = new Set<SimulatedMachine>();
  inFlight = 0;

  readonly #workload: Workload;
  readonly #policy: Policy;
  readonly #rent: Rent;
  readonly #settings: SimulationSettings;
  readonly #events = new EventQueue<Event>();
  readonly #jobs = new Map<string, SimulatedJob>();
  readonly #queue: SimulatedTask[] = [];
  #head = 0;
  /** What came back from a machine that was lost: it is served first, as it has waited longest. */
  readonly #returned: SimulatedTask[] = [];
  readonly #reclaiming = new Set<Pool>();
  #planned = Number.NEGATIVE_INFINITY;
  #lastPlan = Number.NEGATIVE_INFINITY;
  #launched = 0;
  #most = 0;
  #paidUsd = 0;
  #paidSlotSeconds = 0;
  #usefulSeconds = 0;
  #waitSeconds = 0;
  #interrupted = 0;
  #beyondLease = 0;

  constructor(workload: Workload, policy: Policy, rent: Rent, settings: SimulationSettings) {
    this.#workload = workload;
    this.#policy = policy;
    this.#rent = rent;
    this.#settings = settings;
    for (const { jobId, arrivalSeconds } of workload.tasks) {
      const known = this.#jobs.get(jobId);
      const taskCount = (known?.taskCount ?? 0) + 1;
      this.#jobs.set(jobId, {
        jobId,
        arrivalSeconds: known?.arrivalSeconds ?? arrivalSeconds,
        taskCount,
        running: 0,
        completed: 0,
        completedSeconds: 0,
        firstStartSeconds: null,
        finishSeconds: null,
      });
    }
  }

  get waiting(): number {
    return this.#queue.length - this.#head + this.#returned.length;
  }

  get finished(): boolean {
    return this.closedJobs.length === this.#jobs.size;
  }

  readonly spentUsd = (): number =>
    [...this.machines].reduce((sum, each) => sum + each.pool.costUsd(each.launchedAt, this.now), this.#paidUsd);

  run(): Outcome {
    if (this.#workload.tasks.length > 0)
      this.#events.push(this.#workload.tasks[0]?.arrivalSeconds ?? 0, { kind: 'arrival', from: 0 });
    for (let next = this.#events.pop(); next; next = this.#events.pop()) {
      this.now = next.at;
      this.#handle(next.event);
      if (this.closedJobs.length === this.#jobs.size && this.machines.size === 0) break;
    }
    if (this.closedJobs.length < this.#jobs.size) throw new Error(`${this.#policy.name} left jobs undone`);
    return this.#outcome();
  }

  #handle(event: Event): void {
    switch (event.kind) {
      case 'arrival':
        this.#arrive(event.from);
        return;
      case 'plan':
        this.#plan();
        return;
      case 'ready':
        if (event.machine.endedAt !== null) return;
        event.machine.readyAt = this.now;
        event.machine.idleSince = this.now;
        this.#fill(event.machine);
        return;
      case 'idle':
        if (event.machine.running.size > 0 || event.machine.idleSince !== event.since) return;
        this.#end(event.machine);
        return;
      case 'done':
        this.#done(event.running);
        return;
      case 'reclaim':
        this.#reclaim(event.pool);
        return;
      case 'last-call':
        event.machine.draining = true;
        if (event.machine.running.size === 0) this.#end(event.machine);
        return;
      case 'notice':
        this.#interrupt(event.machine);
        return;
    }
  }

  /** All tasks of one moment. */
  #arrive(from: number): void {
    const { tasks } = this.#workload;
    let next = from;
    for (let task = tasks[next]; task && task.arrivalSeconds <= this.now; task = tasks[next]) {
      this.#queue.push(task);
      const job = this.#jobs.get(task.jobId);
      if (job) this.openJobs.set(task.jobId, job);
      next += 1;
    }
    const later = tasks[next];
    if (later) this.#events.push(later.arrivalSeconds, { kind: 'arrival', from: next });
    this.#serve();
    this.#planAt(Math.max(this.now, this.#lastPlan + WAKE_SECONDS));
  }

  #planAt(at: number): void {
    if (this.#planned > this.now && this.#planned <= at) return;
    if (this.#planned === at) return;
    this.#planned = at;
    this.#events.push(at, { kind: 'plan' });
  }

  #plan(): void {
    if (this.#planned !== this.now) return;
    this.#planned = Number.NEGATIVE_INFINITY;
    this.#lastPlan = this.now;
    const { launch, drain = 0 } = this.#policy.plan(this, this.#rent);
    if (drain > 0) this.#drain(drain);
    if (launch > 0) this.#launch(launch);
    if (this.openJobs.size > 0 || this.machines.size > 0) this.#planAt(this.now + TICK_SECONDS);
  }

  #launch(count: number): void {
    let missing = count;
    for (const choice of this.#rent.choose(this.now, this.waiting)) {
      const pool = this.#rent.poolOf(choice);
      if (pool.isSoldOut(this.now)) continue;
      for (; missing > 0; missing -= 1) this.#start(pool, choice.slots);
      return;
    }
  }

  #start(pool: Pool, slots: number): void {
    this.#launched += 1;
    const machine: SimulatedMachine = {
      id: this.#launched,
      pool,
      slots,
      launchedAt: this.now,
      expiresAt: this.now + this.#settings.maxLifetimeSeconds,
      readyAt: null,
      draining: false,
      endedAt: null,
      idleSince: this.now,
      running: new Set(),
    };
    this.machines.add(machine);
    this.#most = Math.max(this.#most, this.machines.size);
    this.#events.push(this.now + bootSeconds(this.#settings.seed, machine.id), { kind: 'ready', machine });
    // It drains before its lifetime could cut a task.
    this.#events.push(machine.expiresAt - this.#settings.timeoutSeconds, { kind: 'last-call', machine });
    if (!this.#reclaiming.has(pool)) {
      this.#reclaiming.add(pool);
      this.#events.push(pool.nextReclaim(this.now), { kind: 'reclaim', pool });
    }
  }

  #serve(): void {
    for (const machine of this.machines) {
      if (this.waiting === 0) return;
      if (machine.running.size < machine.slots && machine.readyAt !== null) this.#fill(machine);
    }
  }

  #fill(machine: SimulatedMachine): void {
    while (!machine.draining && machine.running.size < machine.slots) {
      const task = this.#returned.pop() ?? this.#queue[this.#head];
      if (!task) break;
      if (task === this.#queue[this.#head]) this.#head += 1;
      this.#begin(task, machine);
    }
    if (machine.running.size > 0) return;
    if (machine.draining) {
      this.#end(machine);
      return;
    }
    const { idleSeconds } = this.#policy;
    machine.idleSince = this.now;
    if (idleSeconds !== null) {
      this.#events.push(this.now + idleSeconds, { kind: 'idle', machine, since: machine.idleSince });
    }
  }

  #begin(task: SimulatedTask, machine: SimulatedMachine): void {
    const job = this.#jobs.get(task.jobId);
    if (!job) return;
    const running: RunningTask = { task, job, machine, startedAt: this.now };
    machine.running.add(running);
    this.inFlight += 1;
    job.running += 1;
    job.firstStartSeconds ??= this.now;
    if (this.#policy.singleUse) machine.draining = true;
    this.#waitSeconds += this.now - task.arrivalSeconds;
    this.#events.push(this.now + taskSeconds(task), { kind: 'done', running });
  }

  #done(running: RunningTask): void {
    const { machine, job, task } = running;
    if (!machine.running.delete(running)) return;
    this.inFlight -= 1;
    job.running -= 1;
    job.completed += 1;
    job.completedSeconds += taskSeconds(task);
    this.#usefulSeconds += taskSeconds(task);
    if (job.completed === job.taskCount) {
      job.finishSeconds = this.now;
      this.openJobs.delete(job.jobId);
      this.closedJobs.push(job);
    }
    this.#fill(machine);
  }

  #reclaim(pool: Pool): void {
    const own = [...this.machines].filter((machine) => machine.pool === pool);
    for (const machine of own) {
      const delay = pool.reclaimDelay(machine.id, this.now);
      if (delay !== null) this.#events.push(this.now + delay, { kind: 'notice', machine });
    }
    if (own.length > 0) this.#events.push(pool.nextReclaim(this.now), { kind: 'reclaim', pool });
    else this.#reclaiming.delete(pool);
  }

  /** Its tasks go back at once and begin anew elsewhere. */
  #interrupt(machine: SimulatedMachine): void {
    if (machine.endedAt !== null) return;
    this.#interrupted += 1;
    for (const { task, job } of machine.running) {
      this.#returned.push(task);
      job.running -= 1;
      this.inFlight -= 1;
      this.#waitSeconds -= this.now - task.arrivalSeconds;
    }
    machine.running.clear();
    this.#end(machine, GOODBYE_SECONDS);
    this.#serve();
  }

  /** Idle ones first; busy ones end with their tasks. */
  #drain(count: number): void {
    const byIdleness = [...this.machines]
      .filter((machine) => !machine.draining)
      .sort((a, b) => a.running.size - b.running.size || a.id - b.id);
    for (const machine of byIdleness.slice(0, count)) {
      machine.draining = true;
      if (machine.running.size === 0) this.#end(machine);
    }
  }

  #end(machine: SimulatedMachine, afterSeconds = 0): void {
    if (machine.endedAt !== null) return;
    const endedAt = this.now + afterSeconds;
    machine.endedAt = endedAt;
    this.machines.delete(machine);
    this.#paidUsd += machine.pool.costUsd(machine.launchedAt, endedAt);
    this.#paidSlotSeconds += (endedAt - machine.launchedAt) * machine.slots;
    this.#beyondLease += Math.max(0, endedAt - machine.expiresAt);
  }

  #outcome(): Outcome {
    const jobs = this.closedJobs;
    const finishes = jobs.map((job) => (job.finishSeconds ?? 0) - job.arrivalSeconds);
    return {
      policy: this.#policy.name,
      costUsd: this.#paidUsd,
      meanFinishSeconds: finishes.reduce((sum, each) => sum + each, 0) / Math.max(1, jobs.length),
      makespanSeconds: Math.max(0, ...jobs.slice(-1).map((job) => job.finishSeconds ?? 0)),
      meanWaitSeconds: this.#waitSeconds / Math.max(1, this.#workload.tasks.length),
      waste: this.#paidSlotSeconds > 0 ? 1 - this.#usefulSeconds / this.#paidSlotSeconds : 0,
      machines: this.#launched,
      mostMachines: this.#most,
      interrupted: this.#interrupted,
      secondsBeyondLease: this.#beyondLease,
      finishOf: new Map(jobs.map((job) => [job.jobId, job.finishSeconds ?? 0])),
    };
  }
}
