/**
 * A fleet's task queues on Pub/Sub: for each a topic and its one subscription, of the same name. The lease on a task is the
 * message's ack deadline, kept by `lease-keeper.ts` for as long as it was asked for.
 *
 * Pub/Sub knows no fair queues: a large job's messages are before those that were published after them.
 */
import { randomUUID } from 'node:crypto';
import { toAsciiJson } from '../../core/ascii-json.ts';
import { taskQueueName } from '../../core/ids.ts';
import type { Clock, Lease, Received, TaskQueue, TaskQueues, UnreadableMessage } from '../../core/ports.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { readTaskMessage } from '../read-task-message.ts';
import { type After, inBackground, LeaseKeeper } from './lease-keeper.ts';
import { acknowledge, askSubscription, modifyAckDeadline, type PulledMessage, publish, pull } from './pubsub-api.ts';

type Handle = Pick<Lease, 'receiptHandle'>;

const MAX_MESSAGES = 10;
const MAX_WAIT_SECONDS = 20;
/**
 * Only a subscription with a dead-letter policy counts deliveries. Without one none is taken for the first: its start is
 * announced, and its row read, as those of a redelivery are.
 */
const UNCOUNTED = 2;

export interface PubSubQueueOptions {
  readonly token: AccessToken | null;
  readonly clock: Clock;
  /** How renewals wait; timers that keep no process alive, unless told otherwise. */
  readonly after?: After;
  /** Told when leases could not be renewed: after two minutes of that, their tasks are leased to others. */
  readonly onRenewalFailed?: (error: unknown) => void;
}

export class PubSubTaskQueue implements TaskQueue {
  readonly #topicUrl: string;
  readonly #subscriptionUrl: string;
  readonly #token: AccessToken | null;
  readonly #keeper: LeaseKeeper;

  constructor({
    topicUrl,
    subscriptionUrl,
    token,
    clock,
    after = inBackground,
    onRenewalFailed = () => undefined,
  }: PubSubQueueOptions & { readonly topicUrl: string; readonly subscriptionUrl: string }) {
    this.#topicUrl = topicUrl;
    this.#subscriptionUrl = subscriptionUrl;
    this.#token = token;
    const setDeadline = (ackIds: readonly string[], seconds: number): Promise<void> =>
      modifyAckDeadline(subscriptionUrl, ackIds, seconds, token);
    this.#keeper = new LeaseKeeper({ clock, after, setDeadline, onRenewalFailed });
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
      await this.#keeper.hold(ackIds, options.leaseSeconds);
    }
    const leases: Lease[] = [];
    const unreadable: UnreadableMessage[] = [];
    for (const each of pulled) {
      const read = readPulled(each);
      if ('message' in read) leases.push(read);
      else unreadable.push(read);
    }
    // What nobody can read is not ours to keep: it drifts to the dead letters.
    this.#keeper.drop(unreadable.map(({ receiptHandle }) => receiptHandle));
    return { leases, unreadable };
  }

  async acknowledge(leases: readonly Handle[]): Promise<void> {
    const ackIds = leases.map(({ receiptHandle }) => receiptHandle);
    // Kept until it is done: a message that cannot be acknowledged yet must not go to somebody else meanwhile.
    await acknowledge(this.#subscriptionUrl, ackIds, this.#token);
    this.#keeper.drop(ackIds);
  }

  changeLease(leases: readonly Handle[], leaseSeconds: number): Promise<void> {
    const ackIds = leases.map(({ receiptHandle }) => receiptHandle);
    return this.#keeper.hold(ackIds, leaseSeconds);
  }

  /**
   * Pub/Sub does not tell. Cloud Monitoring knows, minutes late: too late to plan by. What is asked is whether there is a
   * queue that answers at all: a fleet whose queue does not is one to leave.
   */
  async depth(): Promise<null> {
    await askSubscription(this.#subscriptionUrl, this.#token);
    return null;
  }

  /** Renews no lease any more: those that are held end within two minutes. */
  stop(): void {
    this.#keeper.stop();
  }
}

export interface PubSubTaskQueues extends TaskQueues {
  /** Renews no lease any more, on any of the queues. */
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
    for (const queue of known.values()) queue.stop();
  };
  return Object.assign(queues, { stop });
}

function readPulled({ ackId, message, deliveryAttempt = UNCOUNTED }: PulledMessage): Lease | UnreadableMessage {
  const handle = { receiptHandle: ackId, receiveCount: deliveryAttempt };
  const read = readTaskMessage(Buffer.from(message.data, 'base64').toString('utf8'));
  return 'message' in read ? { ...handle, leaseId: randomUUID(), ...read } : { ...handle, ...read };
}
