/**
 * The tasks that this machine holds: those that run, as many as its vCPUs and memory take, and short ones that wait for
 * their turn. A lease that comes in is either put to work, or given back, or settled because it is cancelled; every
 * lease that was ever held ends in exactly one of these ways.
 */
import { PRIORITIES, type Priority } from '../../core/ids.ts';
import type { TaskMessage } from '../../core/messages.ts';
import type { Lease, TaskQueue } from '../../core/ports.ts';
import { type Capacity, fits, needOf, timesIn, without } from './capacity.ts';
import type { AgentClock } from './clock.ts';
import type { WorkSettings } from './config.ts';
import type { ControlWatch } from './control-watch.ts';
import type { Lifecycle, StopCause } from './lifecycle.ts';
import { type Log, messageOf } from './log.ts';
import type { OutcomeOutbox } from './outcome-outbox.ts';
import { retry } from './retry.ts';
import { sleep } from './sleep.ts';
import { mustAnnounce, outcomeEvent, startedEvent } from './task-events.ts';
import type { TaskPace } from './task-pace.ts';
import { CANCELLED_BEFORE, type TaskAssignment, type TaskOutcome } from './task-runner.ts';

/** A start is not held up for longer by a status channel that cannot be reached. */
const ANNOUNCE_MS = 5_000;
const CHANGE_LEASE_MS = 5_000;
/** A task that is known to be short is announced when it turns out not to be: most never cost this message. */
const SHORT_SECONDS = 5;
const LATE_ANNOUNCE_MS = 15_000;

export interface BenchTools {
  readonly settings: Pick<WorkSettings, 'capacity' | 'slot' | 'instanceId'>;
  readonly lifecycle: Lifecycle;
  readonly control: ControlWatch;
  readonly outbox: OutcomeOutbox;
  readonly pace: TaskPace;
  readonly clock: AgentClock;
  readonly random: () => number;
  readonly log: Log;
  readonly run: (
    assignment: TaskAssignment,
    announce: (assignment: TaskAssignment) => Promise<void>,
  ) => Promise<TaskOutcome>;
}

/** A lease together with the queue it came from and the time it ends. */
export interface HeldLease {
  readonly lease: Lease;
  readonly queue: TaskQueue;
  readonly priority: Priority;
  readonly endsAt: Date;
  /** After it too little of the lease would be left for the task. */
  readonly startBy: Date;
}

interface Slot {
  readonly held: HeldLease;
  readonly need: Capacity;
  readonly stop: AbortController;
  cause: StopCause;
  /** Whether the command was about to start: until then the task may be handed on. */
  hasBegun: boolean;
  /** Takes back what is to be said late. */
  cancelAnnouncement: () => void;
}

export class TaskBench {
  readonly #tools: BenchTools;
  readonly #slots = new Set<Slot>();
  /** In the order in which they are to start. */
  #waiting: HeldLease[] = [];
  #cancelOverdue = (): void => undefined;
  /** Leases on their way back. */
  #returning = 0;
  #onChange: (() => void)[] = [];
  #lastBusyAt: number;
  #lastNeed: Capacity;
  #hasWorked = false;

  constructor(tools: BenchTools) {
    this.#tools = tools;
    this.#lastBusyAt = tools.clock.now().getTime();
    this.#lastNeed = tools.settings.slot;
    const { draining, interrupting } = tools.lifecycle;
    draining.addEventListener('abort', () => this.#giveBack(this.#waiting), { once: true });
    interrupting.addEventListener('abort', () => this.#stopAll(tools.lifecycle.cause), { once: true });
  }

  /** How many more tasks like the last one would start at once. */
  get freeSlots(): number {
    const free = without(
      this.#tools.settings.capacity,
      [...this.#slots].map((slot) => slot.need),
    );
    return timesIn(this.#lastNeed, free);
  }

  /** How many tasks like the last one run here at a time. */
  get slots(): number {
    return Math.max(1, timesIn(this.#lastNeed, this.#tools.settings.capacity));
  }

  /** Tasks that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  get isEmpty(): boolean {
    return this.#slots.size + this.#waiting.length + this.#returning === 0;
  }

  /** Whether any task was put to work yet. */
  get hasWorked(): boolean {
    return this.#hasWorked;
  }

  /** When the machine last had, got or finished work, in milliseconds. */
  get lastBusyAt(): number {
    return this.isEmpty ? this.#lastBusyAt : this.#tools.clock.now().getTime();
  }

  /** Whether the machine could ever run such a task. */
  canEverRun(message: TaskMessage): boolean {
    const { capacity, slot } = this.#tools.settings;
    return fits(needOf(message, slot), capacity);
  }

  /** Puts a lease to work, now or when its turn comes. */
  take(held: HeldLease): void {
    this.#hasWorked = true;
    this.#waiting.push(held);
    // Stable: tasks of one priority keep their order.
    this.#waiting.sort((one, other) => PRIORITIES.indexOf(one.priority) - PRIORITIES.indexOf(other.priority));
    this.#startWaiting();
  }

  /** Gives back what waits for its turn and is not to start now: what runs may finish. */
  giveBackPaused(): void {
    this.#giveBack(this.#waiting.filter(({ lease }) => this.#tools.control.isPaused(lease.message.jobId)));
  }

  /** Drops what has not begun and belongs to another fleet by now: what runs may finish. */
  dropLeft(): void {
    for (const slot of this.#slots) if (!slot.hasBegun && this.#hasLeft(slot.held)) this.#stop(slot, 'interrupted');
    this.#settleWaiting(
      this.#waiting.filter((held) => this.#hasLeft(held)),
      (held) => this.drop(held),
    );
  }

  /**
   * Acknowledges messages that are worth nothing here, without a report: their tasks were sent to other fleets. What cannot
   * be acknowledged comes again.
   */
  async drop(held: readonly Pick<HeldLease, 'lease' | 'queue'>[]): Promise<void> {
    const { clock, random, log } = this.#tools;
    for (const [queue, group] of Map.groupBy(held, (each) => each.queue)) {
      const leases = group.map((each) => each.lease);
      const until = new Date(clock.now().getTime() + CHANGE_LEASE_MS);
      await retry(() => queue.acknowledge(leases), { clock, random, until }).catch((error: unknown) =>
        log.warn('messages could not be dropped', { leases: leases.length, error: messageOf(error) }),
      );
      log.info('messages of jobs that left this fleet were dropped', { leases: leases.length });
    }
  }

  /** Ends the tasks that are cancelled by now, each alone or with its job. */
  stopCancelled(): void {
    const isCancelled = ({ lease }: HeldLease): boolean => this.#tools.control.isCancelled(lease.message);
    for (const slot of this.#slots) if (isCancelled(slot.held)) this.#stop(slot, 'cancelled');
    const cancelled = this.#waiting.filter(isCancelled);
    this.#waiting = this.#waiting.filter((held) => !isCancelled(held));
    for (const held of cancelled) this.settleCancelled(held);
  }

  /** Resolves when a task ends, or a lease that waited is given back. */
  whenOneEnds(): Promise<void> {
    return new Promise((resolve) => this.#onChange.push(resolve));
  }

  async whenEmpty(): Promise<void> {
    while (!this.isEmpty) await this.whenOneEnds();
  }

  /** Settles a lease that was cancelled before it was started. */
  settleCancelled(held: HeldLease): void {
    this.#report(held, {
      kind: 'released',
      seconds: 0,
      cause: 'cancelled',
      reason: CANCELLED_BEFORE,
    });
  }

  /** Settles a lease that this machine cannot serve. */
  release(held: HeldLease, reason: string): void {
    this.#report(held, { kind: 'released', seconds: 0, cause: 'machine', reason });
  }

  /**
   * Sets the time left of leases; 0 gives the messages back. @returns whether all have it; where one does not, which is
   * logged, the old lease stands
   */
  async changeLease(held: readonly Pick<HeldLease, 'lease' | 'queue'>[], seconds: number): Promise<boolean> {
    const { clock, random, log } = this.#tools;
    let done = true;
    for (const [queue, group] of Map.groupBy(held, (each) => each.queue)) {
      const leases = group.map((each) => each.lease);
      const until = new Date(clock.now().getTime() + CHANGE_LEASE_MS);
      await retry(() => queue.changeLease(leases, seconds), { clock, random, until }).catch((error: unknown) => {
        done = false;
        log.warn('leases could not be changed', { leases: leases.length, seconds, error: messageOf(error) });
      });
    }
    return done;
  }

  /** Starts what fits, in order: a large task is not overtaken by small ones for ever. */
  #startWaiting(): void {
    const { settings, lifecycle, clock } = this.#tools;
    this.#giveBack(lifecycle.draining.aborted ? this.#waiting : this.#waiting.filter((held) => isOverdue(held, clock)));
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const need = needOf(next.lease.message, settings.slot);
      this.#lastNeed = need;
      const taken = [...this.#slots].map((slot) => slot.need);
      if (!fits(need, without(settings.capacity, taken))) break;
      this.#waiting.shift();
      this.#start(next, need);
    }
    this.#watchOverdue();
  }

  #start(held: HeldLease, need: Capacity): void {
    const stop = new AbortController();
    const slot: Slot = { held, need, stop, cause: 'interrupted', hasBegun: false, cancelAnnouncement: () => undefined };
    this.#slots.add(slot);
    // A turn later, when the slot is there to be found.
    queueMicrotask(() => void this.#work(slot));
    if (this.#tools.lifecycle.interrupting.aborted) this.#stop(slot, this.#tools.lifecycle.cause);
  }

  /** What waits behind a long task goes back while somebody else still has the time for it. */
  #watchOverdue(): void {
    this.#cancelOverdue();
    if (this.#waiting.length === 0) return;
    const earliest = Math.min(...this.#waiting.map((held) => held.startBy.getTime()));
    const wait = Math.max(0, earliest - this.#tools.clock.now().getTime()) + 1;
    this.#cancelOverdue = this.#tools.clock.after(wait, () => this.#startWaiting());
  }

  #giveBack(held: readonly HeldLease[]): void {
    this.#settleWaiting(held, (leases) => this.changeLease(leases, 0));
  }

  #settleWaiting(held: readonly HeldLease[], settle: (held: readonly HeldLease[]) => Promise<unknown>): void {
    if (held.length === 0) return;
    const gone = new Set(held);
    this.#waiting = this.#waiting.filter((each) => !gone.has(each));
    this.#returning += gone.size;
    void settle([...gone]).then(() => {
      this.#returning -= gone.size;
      this.#changed();
    });
  }

  async #work(slot: Slot): Promise<void> {
    const { held } = slot;
    const assignment: TaskAssignment = {
      lease: held.lease,
      leaseEndsAt: held.endsAt,
      stop: slot.stop.signal,
      stopCause: () => slot.cause,
    };
    try {
      const outcome = await this.#tools.run(assignment, () => this.#announce(slot));
      this.#log(held.lease, outcome);
      if (outcome.kind === 'returned') await (this.#hasLeft(held) ? this.drop([held]) : this.changeLease([held], 0));
      else this.#report(held, outcome);
      if (outcome.kind === 'completed' || outcome.kind === 'failed') {
        this.#tools.pace.observe(held.lease.message.jobId, outcome.seconds);
      }
    } finally {
      slot.cancelAnnouncement();
      this.#slots.delete(slot);
      this.#lastBusyAt = this.#tools.clock.now().getTime();
      this.#startWaiting();
      this.#changed();
    }
  }

  #changed(): void {
    const waiting = this.#onChange;
    this.#onChange = [];
    for (const resolve of waiting) resolve();
  }

  #hasLeft({ lease }: HeldLease): boolean {
    return this.#tools.control.hasLeft(lease.message.jobId);
  }

  async #announce(slot: Slot): Promise<void> {
    slot.hasBegun = true;
    const { lease, endsAt } = slot.held;
    if (!mustAnnounce(lease)) return;
    const { outbox, settings, clock, pace } = this.#tools;
    const event = startedEvent(lease, settings.instanceId, clock.now());
    const put = (): Promise<boolean> => outbox.put({ event, until: endsAt, urgent: true });
    const mean = pace.meanSeconds(lease.message.jobId);
    if (lease.receiveCount === 1 && mean !== undefined && mean <= SHORT_SECONDS) {
      slot.cancelAnnouncement = clock.after(LATE_ANNOUNCE_MS, () => void put());
      return;
    }
    const waited = new AbortController();
    await Promise.race([put(), sleep(clock, ANNOUNCE_MS, waited.signal)]);
    waited.abort();
  }

  #report({ lease, queue, endsAt }: HeldLease, outcome: Exclude<TaskOutcome, { kind: 'returned' }>): void {
    const { outbox, settings, clock } = this.#tools;
    this.#lastBusyAt = clock.now().getTime();
    const event = outcomeEvent(lease, outcome, settings.instanceId, clock.now());
    // Nobody waits for it here: the outbox tries as long as the lease lasts, and the slot is free for the next task.
    void outbox.put({ event, settles: { queue, receiptHandle: lease.receiptHandle }, until: endsAt });
  }

  #stopAll(cause: StopCause): void {
    for (const slot of this.#slots) this.#stop(slot, cause);
  }

  #stop(slot: Slot, cause: StopCause): void {
    if (slot.stop.signal.aborted) return;
    slot.cause = cause;
    slot.stop.abort();
  }

  #log({ message, receiveCount }: Lease, outcome: TaskOutcome): void {
    this.#tools.log.info('a task ended', {
      jobId: message.jobId,
      taskId: message.taskId,
      attempt: message.attempt,
      receiveCount,
      outcome: outcome.kind,
      ...(outcome.kind === 'failed' ? { code: outcome.failure.code } : {}),
      ...(outcome.kind === 'released' ? { cause: outcome.cause } : {}),
      ...('seconds' in outcome ? { seconds: outcome.seconds } : {}),
    });
  }
}

const isOverdue = (held: HeldLease, clock: AgentClock): boolean => held.startBy <= clock.now();
