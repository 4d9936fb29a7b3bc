/**
 * A fleet's task queues on Pub/Sub: for each a topic and its one subscription, of the same name. The lease on a task is the
 * message's ack deadline, which is renewed in the background for as long as was asked for: a deadline is at most 600 s away.
 *
 * Pub/Sub knows no fair queues: a large job's messages are before those that were published after them.
 */
import { randomUUID } from 'node:crypto';
import { toAsciiJson } from '../../core/ascii-json.ts';
import { taskQueueName } from '../../core/ids.ts';
import type { Lease, Received, TaskQueue, TaskQueues, UnreadableMessage } from '../../core/ports.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { LeaseRenewal, type Renewable } from '../lease-renewal.ts';
import { readTaskMessage } from '../read-task-message.ts';
import { backgroundClock, type TimerClock } from '../timer-clock.ts';
import { acknowledge, askSubscription, modifyAckDeadline, type PulledMessage, publish, pull } from './pubsub-api.ts';

type Handle = Pick<Lease, 'receiptHandle'>;

const MAX_MESSAGES = 10;
const MAX_WAIT_SECONDS = 20;
/**
 * Only a subscription with a dead-letter policy counts deliveries. Without one none is taken for the first: its start is
 * announced, and its row read, as those of a redelivery are.
 */
const UNCOUNTED = 2;

/** A process that is killed renews nothing: its messages are back within so long, whatever lease was asked for. */
export const LOCK_SECONDS = 120;

export interface PubSubQueueOptions {
  readonly token: AccessToken | null;
  readonly clock?: TimerClock;
  readonly onRenewalFailed?: ((error: unknown) => void) | undefined;
}

export class PubSubTaskQueue implements TaskQueue {
  /** What of it goes on in the background. */
  readonly renewal: LeaseRenewal;
  readonly #topicUrl: string;
  readonly #subscriptionUrl: string;
  readonly #token: AccessToken | null;
  readonly #clock: TimerClock;

  constructor(options: PubSubQueueOptions & { readonly topicUrl: string; readonly subscriptionUrl: string }) {
    this.#topicUrl = options.topicUrl;
    this.#subscriptionUrl = options.subscriptionUrl;
    this.#token = options.token;
    this.#clock = options.clock ?? backgroundClock;
    this.renewal = new LeaseRenewal({
      clock: this.#clock,
      renew: (leases) => this.#renew(leases),
      // The last deadline was set to the end of the lease.
      giveBack: async () => undefined,
      onFailed: options.onRenewalFailed,
    });
  }

  send(messages: Parameters<TaskQueue['send']>[0]): Promise<void> {
    return publish(this.#topicUrl, messages.map(toAsciiJson), this.#token);
  }

  async receive(options: { maxMessages: number; waitSeconds: number; leaseSeconds: number }): Promise<Received> {
    const pulled = await pull(this.#subscriptionUrl, {
      maxMessages: Math.min(MAX_MESSAGES, options.maxMessages),
      waitSeconds: Math.min(MAX_WAIT_SECONDS, options.waitSeconds),
      token: this.#token,
    });
    // Should this fail, they come again by the subscription's own deadline: no lease as long as asked for can be had.
    if (pulled.length > 0) {
      const ackIds = pulled.map(({ ackId }) => ackId);
      await this.#hold(ackIds, options.leaseSeconds);
    }
    const leases: Lease[] = [];
    const unreadable: UnreadableMessage[] = [];
    for (const each of pulled) {
      const read = readPulled(each);
      if ('message' in read) leases.push(read);
      else unreadable.push(read);
    }
    // What nobody can read is not ours to keep: it drifts to the dead letters.
    for (const { receiptHandle } of unreadable) this.renewal.forget(receiptHandle);
    return { leases, unreadable };
  }

  async acknowledge(leases: readonly Handle[]): Promise<void> {
    const ackIds = leases.map(({ receiptHandle }) => receiptHandle);
    // Kept until it is done: a message that cannot be acknowledged yet must not go to somebody else meanwhile.
    await acknowledge(this.#subscriptionUrl, ackIds, this.#token);
    for (const ackId of ackIds) this.renewal.forget(ackId);
  }

  changeLease(leases: readonly Handle[], leaseSeconds: number): Promise<void> {
    const ackIds = leases.map(({ receiptHandle }) => receiptHandle);
    return this.#hold(ackIds, leaseSeconds);
  }

  /**
   * Pub/Sub does not tell. Cloud Monitoring knows, minutes late: too late to plan by. What is asked is whether there is a
   * queue that answers at all: a fleet whose queue does not is one to leave.
   */
  async depth(): Promise<null> {
    await askSubscription(this.#subscriptionUrl, this.#token);
    return null;
  }

  /** Sets how long leases last from now; 0 ends them. */
  async #hold(ackIds: readonly string[], leaseSeconds: number): Promise<void> {
    const began = this.#clock.now().getTime();
    // A renewal behind its back could take a message again that was just returned.
    for (const ackId of ackIds) this.renewal.forget(ackId);
    await modifyAckDeadline(this.#subscriptionUrl, ackIds, lockOf(leaseSeconds), this.#token);
    if (leaseSeconds <= LOCK_SECONDS) return;
    const seconds = leaseSeconds - (this.#clock.now().getTime() - began) / 1_000;
    for (const ackId of ackIds) this.renewal.keep(ackId, { seconds, hiddenSeconds: LOCK_SECONDS });
  }

  async #renew(leases: readonly Renewable[]): Promise<readonly string[]> {
    const groups = Map.groupBy(leases, ({ secondsLeft }) => lockOf(secondsLeft));
    await Promise.all(
      [...groups].map(([seconds, group]) => {
        const ackIds = group.map(({ receiptHandle }) => receiptHandle);
        return modifyAckDeadline(this.#subscriptionUrl, ackIds, seconds, this.#token);
      }),
    );
    return [];
  }
}

const lockOf = (leaseSeconds: number): number => Math.min(LOCK_SECONDS, Math.max(0, Math.ceil(leaseSeconds)));

export interface PubSubTaskQueues extends TaskQueues {
  /** Renews no lease any more, on any of the queues: those that are held end within two minutes. */
  stop(): void;
}

/** The queues of every fleet and priority, found by their names under one prefix: no call is needed to find them. */
export function pubSubTaskQueues(
  options: PubSubQueueOptions & { readonly queueUrlPrefix: string; readonly stage: string },
): PubSubTaskQueues {
  const { queueUrlPrefix, stage } = options;
  const known = new Map<string, PubSubTaskQueue>();
  const queues: TaskQueues = (fleet, priority) => {
    const name = taskQueueName(fleet, priority, stage);
    const [topicUrl, subscriptionUrl] = [`${queueUrlPrefix}topics/${name}`, `${queueUrlPrefix}subscriptions/${name}`];
    const queue = known.get(name) ?? new PubSubTaskQueue({ ...options, topicUrl, subscriptionUrl });
    known.set(name, queue);
    return queue;
  };
  const stop = (): void => {
    for (const { renewal } of known.values()) renewal.stop();
  };
  return Object.assign(queues, { stop });
}

function readPulled({ ackId, message, deliveryAttempt = UNCOUNTED }: PulledMessage): Lease | UnreadableMessage {
  const handle = { receiptHandle: ackId, receiveCount: deliveryAttempt };
  const read = readTaskMessage(Buffer.from(message.data, 'base64').toString('utf8'));
  return 'message' in read ? { ...handle, leaseId: randomUUID(), ...read } : { ...handle, ...read };
}
