/**
 * A fleet's task queues on Service Bus. A message is locked for as long as its queue is set up to (5 minutes at most), so a lease
 * that is longer is a lock that is renewed in the background, and one that is shorter is a lock that is given up early.
 */
import { toAsciiJson } from '../../core/ascii-json.ts';
import { taskQueueName } from '../../core/ids.ts';
import type { QueueDepth } from '../../core/plan-scale.ts';
import type { Lease, Received, TaskQueue, TaskQueues, UnreadableMessage } from '../../core/ports.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { inParallel } from '../in-parallel.ts';
import { LeaseRenewal } from '../lease-renewal.ts';
import { readTaskMessage } from '../read-task-message.ts';
import { backgroundClock, type TimerClock } from '../timer-clock.ts';
import { ServiceBusClient } from './service-bus-client.ts';

type Handle = Pick<Lease, 'receiptHandle'>;

/** Locks renewed or settled at the same time, and messages received after the first. */
const CALLS_AT_ONCE = 8;
const RECEIVES_AT_ONCE = 4;
const MAX_WAIT_SECONDS = 20;
const MAX_MESSAGES = 10;

export class ServiceBusTaskQueue implements TaskQueue {
  /** What of it goes on in the background. */
  readonly renewal: LeaseRenewal;
  readonly #client: ServiceBusClient;
  /** How long this queue locks a message, as the last one said. */
  #lockSeconds = 30;

  constructor(options: {
    queueUrl: string;
    token: AccessToken | null;
    clock?: TimerClock;
    onRenewalFailed?: ((error: unknown) => void) | undefined;
  }) {
    this.#client = new ServiceBusClient(options);
    this.renewal = new LeaseRenewal({
      clock: options.clock ?? backgroundClock,
      renew: (leases) => this.#renew(leases),
      giveBack: (handles) => this.#abandon(handles),
      onFailed: options.onRenewalFailed,
    });
  }

  async send(messages: Parameters<TaskQueue['send']>[0]): Promise<void> {
    await this.#client.send(messages.map(toAsciiJson));
  }

  /**
   * One message a call: the first is waited for, the others are taken if they are there. Nothing that came is lost to an error of a
   * later call.
   */
  async receive(options: { maxMessages: number; waitSeconds: number; leaseSeconds: number }): Promise<Received> {
    const { maxMessages, waitSeconds, leaseSeconds } = options;
    const first = await this.#next(leaseSeconds, Math.min(MAX_WAIT_SECONDS, waitSeconds));
    if (!first) return { leases: [], unreadable: [] };
    const more = await this.#nextAtOnce(leaseSeconds, Math.min(MAX_MESSAGES, maxMessages) - 1);
    const leases: Lease[] = [];
    const unreadable: UnreadableMessage[] = [];
    for (const each of [first, ...more]) {
      if ('message' in each) leases.push(each);
      else unreadable.push(each);
    }
    return { leases, unreadable };
  }

  async acknowledge(leases: readonly Handle[]): Promise<void> {
    await inParallel(leases, CALLS_AT_ONCE, async ({ receiptHandle }) => {
      await this.#client.complete(receiptHandle);
      // Only now: what could not be removed stays ours.
      this.renewal.forget(receiptHandle);
    });
  }

  async changeLease(leases: readonly Handle[], leaseSeconds: number): Promise<void> {
    const handles = leases.map(({ receiptHandle }) => receiptHandle);
    if (leaseSeconds <= 0) return this.#abandon(handles);
    const lapsed = new Set(await this.#renew(leases));
    for (const handle of handles) {
      if (lapsed.has(handle)) this.renewal.forget(handle);
      else this.renewal.keep(handle, { seconds: leaseSeconds, hiddenSeconds: this.#lockSeconds });
    }
  }

  /**
   * Locked messages are counted among the active ones ("Message counters"): how many of those wait, Service Bus does not tell. An
   * empty queue is one.
   */
  async depth(): Promise<QueueDepth | null> {
    const { active, scheduled } = await this.#client.counts();
    return active === 0 ? { visible: 0, inFlight: 0, delayed: scheduled } : null;
  }

  /** The next message, its lease kept from the moment it came: those that come with it may take their time. */
  async #next(
    leaseSeconds: number,
    waitSeconds: number,
    tries?: number,
  ): Promise<Lease | UnreadableMessage | undefined> {
    const locked = await this.#client.peekLock(waitSeconds, tries);
    if (!locked) return undefined;
    const { handle: receiptHandle, deliveryCount: receiveCount, lockToken: leaseId, lockSeconds } = locked;
    this.#lockSeconds = lockSeconds;
    const read = readTaskMessage(locked.body);
    // What cannot be read is locked once, not renewed: it drifts to the dead letters.
    if ('reason' in read) return { receiptHandle, receiveCount, ...read };
    this.renewal.keep(receiptHandle, { seconds: leaseSeconds, hiddenSeconds: lockSeconds });
    return { leaseId, receiptHandle, receiveCount, ...read };
  }

  /** What is there already; stops at the first that is not, or does not come at the first try. */
  async #nextAtOnce(leaseSeconds: number, count: number): Promise<(Lease | UnreadableMessage)[]> {
    const came: (Lease | UnreadableMessage)[] = [];
    let left = count;
    const lane = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const next = await this.#next(leaseSeconds, 0, 1).catch(() => undefined);
        if (next) came.push(next);
        else left = 0;
      }
    };
    await Promise.all(Array.from({ length: Math.min(count, RECEIVES_AT_ONCE) }, lane));
    return came;
  }

  /** @returns those whose lock is lost. @throws TransientError when it is not known of one */
  async #renew(leases: readonly Handle[]): Promise<string[]> {
    const renewed = await inParallel(leases, CALLS_AT_ONCE, ({ receiptHandle }) => this.#client.renew(receiptHandle));
    return leases.flatMap(({ receiptHandle }, index) => (renewed[index] ? [] : [receiptHandle]));
  }

  async #abandon(handles: readonly string[]): Promise<void> {
    // First of all: a lock that cannot be given up now is to end by itself.
    for (const handle of handles) this.renewal.forget(handle);
    await inParallel(handles, CALLS_AT_ONCE, (handle) => this.#client.abandon(handle));
  }
}

export interface ServiceBusTaskQueuesOptions {
  readonly queueUrlPrefix: string;
  readonly stage: string;
  /** `null`: an emulator, which wants none. */
  readonly token: AccessToken | null;
  readonly clock?: TimerClock;
  readonly onRenewalFailed?: ((error: unknown) => void) | undefined;
}

export interface ServiceBusTaskQueues extends TaskQueues {
  /** Renews no lease any more, on any of the queues: those that are held end within a lock. */
  stop(): void;
}

/** The queues of every fleet and priority, found by their names under one prefix: no call is needed to find them. */
export function serviceBusTaskQueues(options: ServiceBusTaskQueuesOptions): ServiceBusTaskQueues {
  const { queueUrlPrefix, stage, token, clock = backgroundClock, onRenewalFailed } = options;
  const known = new Map<string, ServiceBusTaskQueue>();
  const queues: TaskQueues = (fleet, priority) => {
    const queueUrl = queueUrlPrefix + taskQueueName(fleet, priority, stage);
    const queue = known.get(queueUrl) ?? new ServiceBusTaskQueue({ queueUrl, token, clock, onRenewalFailed });
    known.set(queueUrl, queue);
    return queue;
  };
  const stop = (): void => {
    for (const { renewal } of known.values()) renewal.stop();
  };
  return Object.assign(queues, { stop });
}
