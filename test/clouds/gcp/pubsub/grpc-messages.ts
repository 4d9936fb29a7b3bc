/** Pub/Sub's messages as gRPC writes them. */
import { CODES, PubSubError } from './pubsub-error.ts';
import type { Delivery, SubscriptionConfig } from './requests.ts';

/** What a request names; the rest is read by a schema. */
export type Named = Readonly<Record<string, unknown>> & {
  readonly name?: string;
  readonly topic?: string;
  readonly subscription?: string;
};

export const toStatus = (error: unknown): { code: number; details: string } =>
  error instanceof PubSubError
    ? { code: CODES[error.status].grpc, details: error.message }
    : { code: CODES.INTERNAL.grpc, details: String(error) };

const duration = (seconds: number) => ({ seconds: Math.floor(seconds), nanos: Math.round((seconds % 1) * 1e9) });

export const received = ({ ackId, deliveryAttempt, message }: Delivery) => ({
  ackId,
  deliveryAttempt,
  message: {
    data: message.data,
    attributes: message.attributes,
    messageId: message.messageId,
    orderingKey: message.orderingKey,
    publishTime: duration(message.publishedMs / 1_000),
  },
});

export const written = ({ deadLetter, retry, ...config }: SubscriptionConfig) => ({
  name: config.name,
  topic: config.topic,
  ackDeadlineSeconds: config.ackDeadlineSeconds,
  messageRetentionDuration: duration(config.retentionSeconds),
  pushConfig: config.pushEndpoint ? { pushEndpoint: config.pushEndpoint } : {},
  ...(deadLetter
    ? { deadLetterPolicy: { deadLetterTopic: deadLetter.topic, maxDeliveryAttempts: deadLetter.maxDeliveryAttempts } }
    : {}),
  ...(retry
    ? {
        retryPolicy: { minimumBackoff: duration(retry.minimumSeconds), maximumBackoff: duration(retry.maximumSeconds) },
      }
    : {}),
  state: 'ACTIVE',
});
