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
import { type PeekLocked, ServiceBusClient } from './service-bus-client.ts';

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

  constructor(options: { queueUrl: string; token: AccessToken | null; clock?: TimerClock }) {
    this.#client = new ServiceBusClient(options);
    this.renewal = new LeaseRenewal({
      clock: options.clock ?? backgroundClock,
      renew: (leases) => this.#renew(leases),
      giveBack: (handles) => this.#abandon(handles),
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
    const first = await this.#client.peekLock(Math.min(MAX_WAIT_SECONDS, options.waitSeconds));
    if (!first) return { leases: [], unreadable: [] };
    const more = await this.#peekLockAtOnce(Math.min(MAX_MESSAGES, options.maxMessages) - 1);
    const leases: Lease[] = [];
    const unreadable: UnreadableMessage[] = [];
    for (const locked of [first, ...more]) {
      const { handle: receiptHandle, deliveryCount: receiveCount, lockToken: leaseId, lockSeconds } = locked;
      this.#lockSeconds = lockSeconds;
      const read = readTaskMessage(locked.body);
      // Whatever cannot be read is locked once, not renewed.
      if ('reason' in read) unreadable.push({ receiptHandle, receiveCount, ...read });
      else {
        leases.push({ leaseId, receiptHandle, receiveCount, ...read });
        this.renewal.keep(receiptHandle, { seconds: options.leaseSeconds, hiddenSeconds: lockSeconds });
      }
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

  /** Stops at the first that is not there. */
  async #peekLockAtOnce(count: number): Promise<PeekLocked[]> {
    const came: PeekLocked[] = [];
    let left = count;
    const lane = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const locked = await this.#client.peekLock(0).catch(() => undefined);
        if (locked) came.push(locked);
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
}

/** The queues of every fleet and priority, found by their names under one prefix: no call is needed to find them. */
export function serviceBusTaskQueues({ queueUrlPrefix, stage, token, clock }: ServiceBusTaskQueuesOptions): TaskQueues {
  const known = new Map<string, ServiceBusTaskQueue>();
  return (fleet, priority) => {
    const queueUrl = queueUrlPrefix + taskQueueName(fleet, priority, stage);
    const queue = known.get(queueUrl) ?? new ServiceBusTaskQueue({ queueUrl, token, ...(clock ? { clock } : {}) });
    known.set(queueUrl, queue);
    return queue;
  };
}
