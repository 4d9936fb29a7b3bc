/**
 * The slots of this machine and the tasks in them. A lease that comes in is either put to work, or given back, or
 * settled because its job is cancelled; every lease that was ever held ends in exactly one of these ways.
 */
import type { Priority } from '../../core/ids.ts';
import type { Clock, Lease, TaskQueue } from '../../core/ports.ts';
import type { WorkSettings } from './config.ts';
import type { ControlWatch } from './control-watch.ts';
import type { Lifecycle, StopCause } from './lifecycle.ts';
import { type Log, messageOf } from './log.ts';
import type { OutcomeOutbox } from './outcome-outbox.ts';
import { retry } from './retry.ts';
import { sleep } from './sleep.ts';
import { mustAnnounce, outcomeEvent, startedEvent } from './task-events.ts';
import type { TaskAssignment, TaskOutcome } from './task-runner.ts';

/** A start is not held up for longer by a status channel that cannot be reached. */
const ANNOUNCE_MS = 5_000;
const CHANGE_LEASE_MS = 5_000;

export interface BenchTools {
  readonly settings: Pick<WorkSettings, 'slots' | 'instanceId'>;
  readonly lifecycle: Lifecycle;
  readonly control: ControlWatch;
  readonly outbox: OutcomeOutbox;
  readonly clock: Clock;
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
}

interface Slot {
  readonly held: HeldLease;
  readonly stop: AbortController;
  cause: StopCause;
  readonly done: Promise<void>;
}

export class TaskBench {
  readonly #tools: BenchTools;
  readonly #slots = new Set<Slot>();
  #lastBusyAt: number;
  #hasWorked = false;

  constructor(tools: BenchTools) {
    this.#tools = tools;
    this.#lastBusyAt = tools.clock.now().getTime();
    tools.lifecycle.interrupting.addEventListener('abort', () => this.#stopAll(tools.lifecycle.cause), { once: true });
  }

  get free(): number {
    return this.#tools.settings.slots - this.#slots.size;
  }

  get isEmpty(): boolean {
    return this.#slots.size === 0;
  }

  /** Whether any task was put to work yet. */
  get hasWorked(): boolean {
    return this.#hasWorked;
  }

  /** When the machine last had, got or finished work, in milliseconds. */
  get lastBusyAt(): number {
    return this.isEmpty ? this.#lastBusyAt : this.#tools.clock.now().getTime();
  }

  /** Puts a lease to work. There must be a free slot. */
  start(held: HeldLease): void {
    this.#hasWorked = true;
    const stop = new AbortController();
    const slot: Slot = {
      held,
      stop,
      cause: 'interrupted',
      // Starts a turn later, when the slot is there to be found.
      done: Promise.resolve().then(() => this.#work(slot)),
    };
    this.#slots.add(slot);
    if (this.#tools.lifecycle.interrupting.aborted) this.#stop(slot, this.#tools.lifecycle.cause);
  }

  /** Ends the tasks of jobs that are cancelled by now. */
  stopCancelled(): void {
    for (const slot of this.#slots) {
      if (this.#tools.control.isCancelled(slot.held.lease.message.jobId)) this.#stop(slot, 'cancelled');
    }
  }

  /** Resolves when a task ends that runs now. */
  async whenOneEnds(): Promise<void> {
    await Promise.race([...this.#slots].map((slot) => slot.done));
  }

  async whenEmpty(): Promise<void> {
    while (!this.isEmpty) await Promise.all([...this.#slots].map((slot) => slot.done));
  }

  /** Settles a lease whose job is cancelled before it was started. */
  settleCancelled(held: HeldLease): void {
    this.#report(held, {
      kind: 'released',
      seconds: 0,
      cause: 'cancelled',
      reason: 'the job was cancelled before the start',
    });
  }

  /** Settles a lease that this machine cannot serve. */
  release(held: HeldLease, reason: string): void {
    this.#report(held, { kind: 'released', seconds: 0, cause: 'machine', reason });
  }

  /** Sets the time left of a lease; 0 gives the message back. A failure is logged: the old lease stands. */
  async changeLease(held: readonly Pick<HeldLease, 'lease' | 'queue'>[], seconds: number): Promise<void> {
    const { clock, random, log } = this.#tools;
    for (const [queue, group] of Map.groupBy(held, (each) => each.queue)) {
      const leases = group.map((each) => each.lease);
      const until = new Date(clock.now().getTime() + CHANGE_LEASE_MS);
      await retry(() => queue.changeLease(leases, seconds), { clock, random, until }).catch((error: unknown) =>
        log.warn('leases could not be changed', { leases: leases.length, seconds, error: messageOf(error) }),
      );
    }
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
      const outcome = await this.#tools.run(assignment, (started) => this.#announce(started));
      this.#log(held.lease, outcome);
      if (outcome.kind === 'returned') await this.changeLease([held], 0);
      else this.#report(held, outcome);
    } finally {
      this.#slots.delete(slot);
      this.#lastBusyAt = this.#tools.clock.now().getTime();
    }
  }

  async #announce({ lease, leaseEndsAt }: TaskAssignment): Promise<void> {
    if (!mustAnnounce(lease)) return;
    const { outbox, settings, clock } = this.#tools;
    const event = startedEvent(lease, settings.instanceId, clock.now());
    const waited = new AbortController();
    await Promise.race([outbox.put({ event, until: leaseEndsAt, urgent: true }), sleep(ANNOUNCE_MS, waited.signal)]);
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
