/** The in-memory queues with the manners that SQS has on a bad day. */
import type { Priority } from '../../core/ids.ts';
import type { DelayedMessage, StatusEvent, TaskMessage } from '../../core/messages.ts';
import type { QueueDepth } from '../../core/plan-scale.ts';
import type { Clock, Lease, Received, StatusFlow, TaskQueue } from '../../core/ports.ts';
import { InMemoryDelayedQueue } from '../fakes/in-memory-delayed-queue.ts';
import { InMemoryQueue, type QueueMessage } from '../fakes/in-memory-queue.ts';
import { InMemoryStatusChannel } from '../fakes/in-memory-status-channel.ts';
import { InMemoryTaskQueue } from '../fakes/in-memory-task-queue.ts';
import type { Faults } from './faults.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';

/** As in `resources/task-queues.ts` and `resources/queues.yml`; a test holds them against these. */
export const TASK_RECEIVES = 6;
export const STATUS_RECEIVES = 10;

const MISSED_MS = 200;
/** Counts of SQS come true within a minute. */
const SETTLE_MS = 60_000;

export interface QueueTools {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  readonly trace: Trace;
  readonly newId: () => string;
  /** `false`: a queue that never says how deep it is, as Pub/Sub's do not. */
  readonly tellsDepth?: boolean;
}

/** Loses, doubles and misses messages, and lets leases lapse; tells who waits when something came. */
export class UnreliableQueue extends InMemoryQueue {
  readonly #tools: QueueTools;
  readonly #name: string;
  #waiting: (() => void)[] = [];

  constructor(
    name: string,
    tools: QueueTools,
    redrive: { maxReceiveCount: number; onDeadLetter: (body: string) => void } | undefined = undefined,
  ) {
    const { scheduler: clock, newId, random } = tools;
    super({ clock, newId, random: () => random.next(), ...redrive });
    this.#tools = tools;
    this.#name = name;
  }

  override send(body: string, delaySeconds = 0): void {
    const { faults, trace } = this.#tools;
    if (faults.happens('dropped')) {
      trace.add(this.#name, `loses ${body.slice(0, 160)}`);
      return;
    }
    super.send(body, delaySeconds);
    if (faults.happens('delivered')) super.send(body, delaySeconds);
    this.#wake();
  }

  override receive(maxMessages: number, visibilitySeconds: number): QueueMessage[] {
    const { faults, trace, random } = this.#tools;
    if (faults.happens('missed')) return [];
    const taken = super.receive(random.int(1, maxMessages), visibilitySeconds);
    for (const { receiptHandle } of taken) {
      const lapse = faults.happens('lapsed') ? Math.floor(random.next() * visibilitySeconds) : undefined;
      const seconds = faults.happens('delivered') ? 0 : lapse;
      if (seconds === undefined) continue;
      trace.add(this.#name, `${receiptHandle} lapses after ${seconds} of ${visibilitySeconds} s`);
      super.changeVisibility(receiptHandle, seconds);
    }
    return taken;
  }

  override changeVisibility(receiptHandle: string, visibilitySeconds: number): boolean {
    const isHeld = super.changeVisibility(receiptHandle, visibilitySeconds);
    if (isHeld && visibilitySeconds === 0) this.#wake();
    return isHeld;
  }

  /** Resolves when a message may be there, or at that time at the latest. */
  whenChanged(untilMs: number): Promise<void> {
    const { scheduler } = this.#tools;
    const next = Math.min(untilMs, this.nextVisibleAt() ?? Number.POSITIVE_INFINITY);
    // What is there and was missed is looked for again a little later.
    const waitMs = next > scheduler.nowMs ? next - scheduler.nowMs : MISSED_MS;
    return new Promise((resolve) => {
      const cancel = scheduler.after(waitMs, null, resolve);
      this.#waiting.push(() => {
        cancel();
        resolve();
      });
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** A batch call that gets through in part: the rest of it, and an error for the whole. */
async function inPart<Item>(
  items: readonly Item[],
  { faults, random }: QueueTools,
  send: (items: readonly Item[]) => Promise<void>,
): Promise<void> {
  const fails = items.length > 1 && faults.happens('partial');
  await send(fails ? items.filter(() => random.chance(0.5)) : items);
  if (fails) throw faults.error('some of a batch');
}

export class UnreliableTaskQueue extends InMemoryTaskQueue implements TaskQueue {
  readonly #queue: UnreliableQueue;
  readonly #tools: QueueTools;
  /** Told of every lease. */
  onLeased: (lease: Lease) => void = () => undefined;

  constructor(name: string, tools: QueueTools, deadLetters: UnreliableQueue) {
    const onDeadLetter = (body: string): void => deadLetters.send(body);
    const queue = new UnreliableQueue(name, tools, { maxReceiveCount: TASK_RECEIVES, onDeadLetter });
    super({ clock: tools.scheduler, newId: tools.newId }, queue);
    this.#queue = queue;
    this.#tools = tools;
  }

  override send(messages: readonly TaskMessage[]): Promise<void> {
    return inPart(messages, this.#tools, (some) => super.send(some));
  }

  override async receive(options: Parameters<TaskQueue['receive']>[0]): Promise<Received> {
    const { scheduler } = this.#tools;
    const until = scheduler.nowMs + options.waitSeconds * 1_000;
    for (;;) {
      const received = await super.receive(options);
      for (const lease of received.leases) this.onLeased(lease);
      if (received.leases.length + received.unreadable.length > 0 || scheduler.nowMs >= until) return received;
      await this.#queue.whenChanged(until);
    }
  }

  override acknowledge(leases: Parameters<TaskQueue['acknowledge']>[0]): Promise<void> {
    return inPart(leases, this.#tools, (some) => super.acknowledge(some));
  }

  override changeLease(leases: Parameters<TaskQueue['changeLease']>[0], leaseSeconds: number): Promise<void> {
    return inPart(leases, this.#tools, (some) => super.changeLease(some, leaseSeconds));
  }

  /** Approximate, as SQS says: what is there may not be counted yet, what is gone may still be. */
  override async depth(): Promise<QueueDepth | null> {
    const { faults, random, tellsDepth = true } = this.#tools;
    const depth = tellsDepth ? await super.depth() : null;
    if (!depth || !faults.happens('stale')) return depth;
    const about = (count: number): number => Math.max(0, count + random.int(-2, 2));
    return { visible: about(depth.visible), inFlight: about(depth.inFlight), delayed: about(depth.delayed) };
  }
}

export class UnreliableDelayedQueue extends InMemoryDelayedQueue {
  readonly #tools: QueueTools;

  constructor(queue: UnreliableQueue, tools: QueueTools) {
    super({ clock: tools.scheduler }, queue);
    this.#tools = tools;
  }

  override send(messages: readonly DelayedMessage[]): Promise<void> {
    return inPart(messages, this.#tools, (some) => super.send(some));
  }
}

export class UnreliableStatusChannel extends InMemoryStatusChannel {
  readonly #tools: QueueTools;

  constructor(queue: UnreliableQueue, source: string, tools: QueueTools) {
    super({ queue, source });
    this.#tools = tools;
  }

  override publish(events: readonly StatusEvent[]): Promise<void> {
    return inPart(events, this.#tools, async (some) => {
      // SQS packs as many as it likes into one message: where the cuts are must not matter.
      const cut = this.#tools.random.int(0, some.length);
      await super.publish(some.slice(0, cut));
      await super.publish(some.slice(cut));
    });
  }
}

/** One queue a fleet and priority. */
export function unreliableTaskQueues(
  tools: QueueTools,
  deadLetters: UnreliableQueue,
): (fleet: string, priority: Priority) => UnreliableTaskQueue {
  const queues = new Map<string, UnreliableTaskQueue>();
  return (fleet, priority) => {
    const name = `queue-${fleet}-${priority}`;
    const queue = queues.get(name) ?? new UnreliableTaskQueue(name, tools, deadLetters);
    queues.set(name, queue);
    return queue;
  };
}

/** How far the status queue is read, as `adapters/aws/sqs-status-flow.ts` finds it out. */
export class SimulatedStatusFlow implements StatusFlow {
  readonly #queue: UnreliableQueue;
  readonly #clock: Clock;
  #appliedUntil: Date | null = null;

  constructor(queue: UnreliableQueue, clock: Clock) {
    this.#queue = queue;
    this.#clock = clock;
  }

  async appliedUntil(): Promise<Date | null> {
    const { visible, inFlight } = this.#queue.depth();
    const isEmpty = visible + inFlight === 0;
    return isEmpty ? new Date(this.#clock.now().getTime() - SETTLE_MS) : this.#appliedUntil;
  }

  async noteApplied(sentAt: Date): Promise<void> {
    this.#appliedUntil = sentAt;
  }
}
