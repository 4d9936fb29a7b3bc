/** Messages as AMQP carries them ("AMQP 1.0 in Azure Service Bus and Event Hubs protocol guide"). */
import { randomUUID } from 'node:crypto';
import rhea, { type Message } from 'rhea';
import { z } from 'zod';
import type { SentMessage } from './message-body.ts';
import type { StoredMessage } from './queue.ts';

const time = z.union([z.date(), z.number()]).transform(Number);

const messageSchema = z.object({
  message_id: z.union([z.string(), z.number()]).transform(String).optional(),
  content_type: z.string().optional(),
  /** A data section, or a value. */
  body: z.unknown(),
  application_properties: z.record(z.string(), z.unknown()).default({}),
  message_annotations: z.looseObject({ 'x-opt-scheduled-enqueue-time': time.optional() }).default({}),
});
const dataSchema = z.object({ content: z.union([z.instanceof(Buffer), z.array(z.instanceof(Buffer))]) });

export function sentMessage(message: unknown): SentMessage {
  const { message_id, content_type, body, application_properties, message_annotations } = messageSchema.parse(message);
  const data = dataSchema.safeParse(body);
  const bytes = data.success ? Buffer.concat([data.data.content].flat()) : Buffer.from(JSON.stringify(body));
  const messageId = message_id ?? randomUUID().replaceAll('-', '');
  const content = { messageId, body: bytes, contentType: content_type, properties: application_properties };
  return { content, scheduledAt: message_annotations['x-opt-scheduled-enqueue-time'] ?? 0 };
}

/** A batch is a message whose data sections are messages. */
export function messagesInBatch(batch: unknown): readonly unknown[] {
  const { body } = messageSchema.parse(Buffer.isBuffer(batch) ? rhea.message.decode(batch) : batch);
  return [dataSchema.parse(body).content].flat().map((each) => rhea.message.decode(each));
}

/** In AMQP a message that comes for the first time has the delivery count 0, unlike in REST. */
export function wireMessage(stored: StoredMessage): Omit<Message, 'toJSON'> {
  const { messageId, contentType, properties, deliveryCount, sequenceNumber, enqueuedAt, lock, body } = stored;
  return {
    message_id: messageId,
    ...(contentType === undefined ? {} : { content_type: contentType }),
    application_properties: { ...properties },
    delivery_count: deliveryCount,
    body: rhea.message.data_section(body),
    message_annotations: {
      'x-opt-sequence-number': rhea.types.wrap_long(sequenceNumber),
      'x-opt-enqueued-time': rhea.types.wrap_timestamp(enqueuedAt),
      ...(lock ? { 'x-opt-locked-until': rhea.types.wrap_timestamp(lock.until) } : {}),
    },
  };
}

/** A lock token travels as a delivery's tag, in the order of bytes that .NET gives a GUID. */
export function tagOf(token: string): Buffer {
  const bytes = Buffer.from(token.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

/** A lock token in a request, where it is a plain UUID. */
export function tokenOf(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
