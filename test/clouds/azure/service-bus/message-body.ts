/** Messages as REST carries them ("Message properties", "Send Message Batch", Service Bus REST). */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { MessageContent } from './queue.ts';

const brokerPropertiesSchema = z.object({
  MessageId: z.string().optional(),
  ContentType: z.string().optional(),
  ScheduledEnqueueTimeUtc: z.string().optional(),
});

const batchSchema = z
  .array(
    z.object({
      Body: z.string(),
      BrokerProperties: brokerPropertiesSchema.default({}),
      UserProperties: z.record(z.string(), z.unknown()).default({}),
    }),
  )
  .min(1);

export interface SentMessage {
  readonly content: MessageContent;
  /** In milliseconds since 1970; 0 for at once. */
  readonly scheduledAt: number;
}

export function contentOf(
  body: Buffer,
  contentType: string | undefined,
  brokerProperties: unknown,
  properties: Readonly<Record<string, unknown>> = {},
): SentMessage {
  const given = brokerPropertiesSchema.parse(brokerProperties);
  const messageId = given.MessageId ?? randomUUID().replaceAll('-', '');
  return {
    content: { messageId, body, contentType: given.ContentType ?? contentType, properties },
    scheduledAt: given.ScheduledEnqueueTimeUtc ? Date.parse(given.ScheduledEnqueueTimeUtc) : 0,
  };
}

/** @returns `undefined` for what is no batch */
export function parseBatch(body: Buffer): SentMessage[] | undefined {
  try {
    return batchSchema
      .parse(JSON.parse(body.toString()))
      .map((each) => contentOf(Buffer.from(each.Body), undefined, each.BrokerProperties, each.UserProperties));
  } catch {
    return undefined;
  }
}
