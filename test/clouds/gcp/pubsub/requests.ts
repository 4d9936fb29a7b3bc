/**
 * What Pub/Sub is asked for, over either transport: JSON writes durations as `600s` and bytes in Base64, gRPC as messages
 * and buffers.
 * @see https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions
 */
import { z } from 'zod';

const seconds = z.union([
  z
    .string()
    .regex(/^\d+(\.\d+)?s$/)
    .transform((text) => Number.parseFloat(text)),
  z
    .object({ seconds: z.coerce.number(), nanos: z.number().nullish() })
    .transform((each) => each.seconds + (each.nanos ?? 0) / 1e9),
]);
const bytes = z.union([
  z.instanceof(Uint8Array).transform((each): Buffer => Buffer.from(each)),
  z.base64().transform((text): Buffer => Buffer.from(text, 'base64')),
]);

export const publishSchema = z.object({
  messages: z.array(
    z.object({
      data: bytes.nullish(),
      attributes: z.record(z.string(), z.string()).nullish(),
      orderingKey: z.string().nullish(),
    }),
  ),
});

export const subscriptionSchema = z.object({
  topic: z.string(),
  ackDeadlineSeconds: z.int().nullish(),
  messageRetentionDuration: seconds.nullish(),
  deadLetterPolicy: z.object({ deadLetterTopic: z.string(), maxDeliveryAttempts: z.int().nullish() }).nullish(),
  retryPolicy: z.object({ minimumBackoff: seconds.nullish(), maximumBackoff: seconds.nullish() }).nullish(),
  pushConfig: z.object({ pushEndpoint: z.string().nullish() }).nullish(),
});

export const pullSchema = z.object({ maxMessages: z.int(), returnImmediately: z.boolean().nullish() });
export const acknowledgeSchema = z.object({ ackIds: z.array(z.string()) });
export const modifyAckDeadlineSchema = z.object({ ackIds: z.array(z.string()), ackDeadlineSeconds: z.int() });

export interface PublishedMessage {
  readonly data: Buffer;
  readonly attributes: Readonly<Record<string, string>>;
  readonly orderingKey: string;
  readonly messageId: string;
  readonly publishedMs: number;
}

export interface SubscriptionConfig {
  readonly name: string;
  topic: string;
  readonly ackDeadlineSeconds: number;
  readonly retentionSeconds: number;
  readonly deadLetter: { readonly topic: string; readonly maxDeliveryAttempts: number } | null;
  readonly retry: { readonly minimumSeconds: number; readonly maximumSeconds: number } | null;
  readonly pushEndpoint: string | null;
}

export interface Delivery {
  readonly ackId: string;
  readonly message: PublishedMessage;
  /** 0 without a dead-letter policy. */
  readonly deliveryAttempt: number;
}
