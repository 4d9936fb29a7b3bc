/**
 * Topics and subscriptions of Pub/Sub, whatever they are asked over.
 * @see https://cloud.google.com/pubsub/quotas the limits
 */
import { z } from 'zod';
import type { ServerTime } from '../server-time.ts';
import { notFound, PubSubError } from './pubsub-error.ts';
import { type PublishedMessage, publishSchema, type SubscriptionConfig, subscriptionSchema } from './requests.ts';
import { Subscription } from './subscription.ts';

const MAX_MESSAGES = 1_000;
const MAX_PUBLISH_BYTES = 10_000_000;
const DELETED_TOPIC = '_deleted-topic_';
const WEEK_SECONDS = 7 * 86_400;
const NAME = /^projects\/[^/]+\/(topics|subscriptions)\/[A-Za-z][\w.~+%-]{2,254}$/;

type Publish = z.infer<typeof publishSchema>['messages'];

export class Broker {
  readonly topics = new Set<string>();
  readonly subscriptions = new Map<string, Subscription>();
  /** Told of every subscription that is made. */
  onSubscription: (subscription: Subscription) => void = () => undefined;
  readonly #time: ServerTime;
  #published = 0;

  constructor(time: ServerTime) {
    this.#time = time;
  }

  createTopic(name: string): void {
    checkName(name);
    if (this.topics.has(name)) throw alreadyExists(name);
    this.topics.add(name);
  }

  topic(name: string): string {
    if (!this.topics.has(name)) throw notFound(name);
    return name;
  }

  deleteTopic(name: string): void {
    this.topics.delete(this.topic(name));
    for (const { config } of this.subscriptions.values()) if (config.topic === name) config.topic = DELETED_TOPIC;
  }

  /** @param requestBytes the size of the request, as far as it is known */
  publish(topic: string, request: unknown, requestBytes = 0): string[] {
    const { messages } = parsed(publishSchema, request);
    this.topic(topic);
    if (messages.length === 0) throw new PubSubError('INVALID_ARGUMENT', 'The request contains no messages.');
    if (messages.length > MAX_MESSAGES) {
      const passed = `You passed ${messages.length} in the request, but the maximum value is ${MAX_MESSAGES}.`;
      throw new PubSubError('INVALID_ARGUMENT', `The value for message_count is too large. ${passed}`);
    }
    const bytes = Math.max(
      requestBytes,
      messages.reduce((sum, { data }) => sum + (data?.length ?? 0), 0),
    );
    if (bytes > MAX_PUBLISH_BYTES) {
      throw new PubSubError('INVALID_ARGUMENT', `The request is ${bytes} bytes, more than ${MAX_PUBLISH_BYTES}.`);
    }
    if (messages.some(({ data, attributes }) => !data?.length && Object.keys(attributes ?? {}).length === 0)) {
      throw new PubSubError('INVALID_ARGUMENT', 'One or more messages in the publish request is empty.');
    }
    return this.#publish(topic, messages);
  }

  createSubscription(name: string, request: unknown): Subscription {
    checkName(name);
    const config = configOf(name, parsed(subscriptionSchema, request));
    if (this.subscriptions.has(name)) throw alreadyExists(name);
    this.topic(config.topic);
    if (config.deadLetter) this.topic(config.deadLetter.topic);
    const forward = (message: PublishedMessage, attempt: number): void => this.#deadLetter(config, message, attempt);
    const subscription = new Subscription(config, { time: this.#time, forward });
    this.subscriptions.set(name, subscription);
    this.onSubscription(subscription);
    return subscription;
  }

  subscription(name: string): Subscription {
    const found = this.subscriptions.get(name);
    if (!found) throw notFound(name);
    return found;
  }

  deleteSubscription(name: string): void {
    this.subscription(name).purge();
    this.subscriptions.delete(name);
  }

  #publish(topic: string, messages: Publish): string[] {
    return messages.map(({ data, attributes, orderingKey }) => {
      this.#published += 1;
      const message: PublishedMessage = {
        data: data ?? Buffer.alloc(0),
        attributes: attributes ?? {},
        orderingKey: orderingKey ?? '',
        messageId: String(this.#published),
        publishedMs: this.#time.now().getTime(),
      };
      for (const each of this.subscriptions.values()) if (each.config.topic === topic) each.offer(message);
      return message.messageId;
    });
  }

  /** Keeps the message and says where it comes from (https://cloud.google.com/pubsub/docs/handling-failures). */
  #deadLetter({ name, deadLetter }: SubscriptionConfig, message: PublishedMessage, attempt: number): void {
    if (!deadLetter || !this.topics.has(deadLetter.topic)) return;
    const [, project = '', , subscription = ''] = name.split('/');
    const attributes = {
      ...message.attributes,
      CloudPubSubDeadLetterSourceDeliveryCount: String(attempt),
      CloudPubSubDeadLetterSourceSubscription: subscription,
      CloudPubSubDeadLetterSourceSubscriptionProject: project,
      CloudPubSubDeadLetterSourceTopicPublishTime: new Date(message.publishedMs).toISOString(),
    };
    this.#publish(deadLetter.topic, [{ data: message.data, attributes, orderingKey: message.orderingKey }]);
  }
}

export function parsed<Value>(schema: z.ZodType<Value>, request: unknown): Value {
  const read = schema.safeParse(request);
  if (!read.success) throw new PubSubError('INVALID_ARGUMENT', z.prettifyError(read.error));
  return read.data;
}

const alreadyExists = (name: string): PubSubError =>
  new PubSubError('ALREADY_EXISTS', `Resource already exists in the project (resource=${name.split('/').at(-1)}).`);

function checkName(name: string): void {
  if (!NAME.test(name) || name.split('/').at(-1)?.startsWith('goog')) {
    throw new PubSubError('INVALID_ARGUMENT', `Invalid resource name given (name=${name}).`);
  }
}

function configOf(name: string, asked: z.infer<typeof subscriptionSchema>): SubscriptionConfig {
  const ackDeadlineSeconds = asked.ackDeadlineSeconds || 10;
  const between = (value: number, least: number, most: number, what: string): void => {
    if (value < least || value > most) {
      throw new PubSubError('INVALID_ARGUMENT', `Invalid ${what}: ${value}; it must be between ${least} and ${most}.`);
    }
  };
  between(ackDeadlineSeconds, 10, 600, 'ack deadline');
  const retentionSeconds = asked.messageRetentionDuration ?? WEEK_SECONDS;
  between(retentionSeconds, 600, 31 * 86_400, 'message retention duration');
  const { deadLetterPolicy, retryPolicy } = asked;
  const maxDeliveryAttempts = deadLetterPolicy?.maxDeliveryAttempts || 5;
  between(maxDeliveryAttempts, 5, 100, 'max delivery attempts');
  const retry = retryPolicy && {
    minimumSeconds: retryPolicy.minimumBackoff ?? 10,
    maximumSeconds: retryPolicy.maximumBackoff ?? 600,
  };
  if (retry) for (const value of Object.values(retry)) between(value, 0, 600, 'backoff');
  return {
    name,
    topic: asked.topic,
    ackDeadlineSeconds,
    retentionSeconds,
    deadLetter: deadLetterPolicy ? { topic: deadLetterPolicy.deadLetterTopic, maxDeliveryAttempts } : null,
    retry: retry ?? null,
    pushEndpoint: asked.pushConfig?.pushEndpoint || null,
  };
}
