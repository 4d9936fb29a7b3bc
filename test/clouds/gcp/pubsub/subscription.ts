/**
 * One subscription: what waits and what is outstanding.
 *
 * A message is outstanding under the ack id of its delivery until it is acknowledged, given back (deadline 0) or its
 * deadline passes; then it is delivered again under another id, as often as `maxDeliveryAttempts`, and forwarded to the
 * dead-letter topic after that. Of an ack id that is over nothing is heard, and nothing happens: Pub/Sub says that it *may*
 * succeed, and nobody should lean on it.
 * @see https://cloud.google.com/pubsub/docs/lease-management
 * @see https://cloud.google.com/pubsub/docs/handling-failures
 */
import type { ServerTime } from '../server-time.ts';
import { PubSubError } from './pubsub-error.ts';
import type { Delivery, PublishedMessage, SubscriptionConfig } from './requests.ts';

/** The longest deadline that one request may set (`ModifyAckDeadlineRequest`). */
const MAX_DEADLINE_SECONDS = 600;
/** Push without a retry policy waits from 100 ms to 60 s (https://cloud.google.com/pubsub/docs/push, "push backoff"). */
const PUSH_BACKOFF = { minimumSeconds: 0.1, maximumSeconds: 60 };

interface Entry {
  readonly message: PublishedMessage;
  /** 1 + times given back + times its deadline passed. */
  attempt: number;
}

interface Outstanding {
  readonly entry: Entry;
  cancel: () => void;
}

export class Subscription {
  readonly config: SubscriptionConfig;
  /** How many deliveries are to be made twice, as at-least-once delivery may. */
  duplicates = 0;
  readonly #time: ServerTime;
  readonly #forward: (message: PublishedMessage, attempt: number) => void;
  #waiting: Entry[] = [];
  readonly #outstanding = new Map<string, Outstanding>();
  readonly #listeners = new Set<() => void>();
  #deliveries = 0;

  constructor(
    config: SubscriptionConfig,
    tools: { time: ServerTime; forward: (message: PublishedMessage, attempt: number) => void },
  ) {
    this.config = config;
    this.#time = tools.time;
    this.#forward = tools.forward;
  }

  /** For tests to look at: no API of Pub/Sub tells it. */
  get backlog(): { waiting: number; outstanding: number } {
    return { waiting: this.#present().length, outstanding: this.#outstanding.size };
  }

  offer(message: PublishedMessage): void {
    this.#add({ message, attempt: 1 });
  }

  pull(maxMessages: number, deadlineSeconds = this.config.ackDeadlineSeconds): Delivery[] {
    if (maxMessages <= 0)
      throw new PubSubError('INVALID_ARGUMENT', 'The value for max_messages must be greater than 0.');
    this.#waiting = this.#present();
    const taken = this.#waiting.splice(0, maxMessages);
    const again = taken.slice(0, this.duplicates);
    this.duplicates -= again.length;
    this.#waiting.push(...again);
    return taken.map((entry) => this.#deliver(entry, deadlineSeconds));
  }

  acknowledge(ackIds: readonly string[]): void {
    this.#check(ackIds);
    for (const ackId of ackIds) this.#take(ackId);
  }

  modifyAckDeadline(ackIds: readonly string[], seconds: number): void {
    this.#check(ackIds);
    if (seconds < 0 || seconds > MAX_DEADLINE_SECONDS) {
      throw new PubSubError(
        'INVALID_ARGUMENT',
        `Invalid ack deadline given: ${seconds}; it must be between 0 and 600 seconds.`,
      );
    }
    for (const ackId of ackIds) {
      const held = this.#outstanding.get(ackId);
      if (!held) continue;
      held.cancel();
      if (seconds === 0) this.#return(ackId);
      else held.cancel = this.#time.after(seconds * 1_000, () => this.#return(ackId));
    }
  }

  purge(): void {
    this.#waiting = [];
    for (const ackId of [...this.#outstanding.keys()]) this.#take(ackId);
  }

  /** Told whenever there may be something to pull. */
  onReady(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #deliver(entry: Entry, deadlineSeconds: number): Delivery {
    this.#deliveries += 1;
    const ackId = Buffer.from(`${this.config.name}:${this.#deliveries}`).toString('base64url');
    const cancel = this.#time.after(deadlineSeconds * 1_000, () => this.#return(ackId));
    this.#outstanding.set(ackId, { entry, cancel });
    return { ackId, message: entry.message, deliveryAttempt: this.config.deadLetter ? entry.attempt : 0 };
  }

  #take(ackId: string): Entry | undefined {
    const held = this.#outstanding.get(ackId);
    held?.cancel();
    this.#outstanding.delete(ackId);
    return held?.entry;
  }

  #return(ackId: string): void {
    const entry = this.#take(ackId);
    if (!entry) return;
    const { deadLetter, retry, pushEndpoint } = this.config;
    if (deadLetter && entry.attempt >= deadLetter.maxDeliveryAttempts) {
      this.#forward(entry.message, entry.attempt);
      return;
    }
    const backoff = retry ?? (pushEndpoint ? PUSH_BACKOFF : null);
    const pause = backoff ? Math.min(backoff.maximumSeconds, backoff.minimumSeconds * 2 ** (entry.attempt - 1)) : 0;
    const again = { ...entry, attempt: entry.attempt + 1 };
    if (pause > 0) this.#time.after(pause * 1_000, () => this.#add(again));
    else this.#add(again);
  }

  #add(entry: Entry): void {
    this.#waiting.push(entry);
    for (const listener of [...this.#listeners]) listener();
  }

  /** What is past its retention is gone, whether anybody saw it or not. */
  #present(): Entry[] {
    const oldestMs = this.#time.now().getTime() - this.config.retentionSeconds * 1_000;
    return this.#waiting.filter(({ message }) => message.publishedMs >= oldestMs);
  }

  #check(ackIds: readonly string[]): void {
    if (ackIds.length === 0) throw new PubSubError('INVALID_ARGUMENT', 'No ack ids specified.');
    const { name } = this.config;
    for (const ackId of ackIds) {
      const subscription = /^(.+):\d+$/.exec(Buffer.from(ackId, 'base64url').toString())?.[1];
      if (subscription === name) continue;
      const why = subscription?.startsWith('projects/')
        ? `You have passed a subscription that does not belong to the given ack ID (resource=${name}).`
        : `You have passed an invalid ack ID to the service (ack_id=${ackId}).`;
      throw new PubSubError('INVALID_ARGUMENT', why);
    }
  }
}
