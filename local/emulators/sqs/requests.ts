/** The inputs of the SQS operations, with SQS's own bounds. */
import { z } from 'zod';
import { AwsError } from '../protocol/aws-error.ts';
import { parseInput } from '../protocol/parse-input.ts';

const strings = z.record(z.string(), z.string());
const queueUrl = { QueueUrl: z.string() };
const names = z.array(z.string()).default([]);
const visibilityTimeout = z.number().int().min(0).max(43_200);

const messageAttributes = z
  .record(
    z.string(),
    z.object({ DataType: z.string(), StringValue: z.string().optional(), BinaryValue: z.string().optional() }),
  )
  .default({});

const message = {
  MessageBody: z.string().min(1),
  DelaySeconds: z.number().int().min(0).max(900).optional(),
  MessageAttributes: messageAttributes,
  MessageSystemAttributes: z.object({ AWSTraceHeader: z.object({ StringValue: z.string() }).optional() }).default({}),
  MessageGroupId: z.string().max(128).optional(),
};

export const queueSchema = z.object(queueUrl);
export const createQueueSchema = z.object({
  QueueName: z.string().regex(/^[\w-]{1,80}$/, 'Can only include alphanumeric characters, hyphens, or underscores'),
  Attributes: strings.default({}),
});
export const getQueueUrlSchema = z.object({ QueueName: z.string() });
export const listQueuesSchema = z.object({ QueueNamePrefix: z.string().default('') });
export const getAttributesSchema = z.object({ ...queueUrl, AttributeNames: names });
export const setAttributesSchema = z.object({ ...queueUrl, Attributes: strings });
export const messageSchema = z.object(message);
export const sendMessageSchema = z.object({ ...queueUrl, ...message });
export const receiveMessageSchema = z.object({
  ...queueUrl,
  MaxNumberOfMessages: z.number().int().min(1).max(10).default(1),
  VisibilityTimeout: visibilityTimeout.optional(),
  WaitTimeSeconds: z.number().int().min(0).max(20).optional(),
  AttributeNames: names,
  MessageSystemAttributeNames: names,
  MessageAttributeNames: names,
});
export const receiptSchema = z.object({ ReceiptHandle: z.string() });
export const deleteMessageSchema = z.object({ ...queueUrl, ReceiptHandle: z.string() });
export const visibilitySchema = z.object({ ReceiptHandle: z.string(), VisibilityTimeout: visibilityTimeout });
export const changeVisibilitySchema = z.object({ ...queueUrl, ...visibilitySchema.shape });

/** Entries stay unchecked here: one that is wrong fails alone, not the batch. */
export const batchSchema = z.object({ ...queueUrl, Entries: z.array(z.looseObject({ Id: z.string() })).default([]) });

/** @throws {AwsError} `InvalidParameterValue` */
export function parseSqs<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  return parseInput(schema, input, 'InvalidParameterValue');
}

/** What SQS refuses in a body: control characters, half surrogates, and the two noncharacters of the basic plane. */
const forbidden = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;

/** @throws {AwsError} when the body holds what SQS does not carry, or body and attributes exceed the queue's limit */
export function checkMessage(draft: z.output<typeof messageSchema>, maximumBytes: number): void {
  if (forbidden.test(draft.MessageBody)) {
    throw new AwsError('InvalidMessageContents', 'Invalid characters were found in the message body.');
  }
  let bytes = Buffer.byteLength(draft.MessageBody);
  for (const [name, { DataType, StringValue, BinaryValue }] of Object.entries(draft.MessageAttributes)) {
    bytes += Buffer.byteLength(name + DataType + (StringValue ?? '')) + Buffer.byteLength(BinaryValue ?? '', 'base64');
  }
  if (bytes > maximumBytes) {
    const reason = `Message must be shorter than ${maximumBytes} bytes.`;
    throw new AwsError('InvalidParameterValue', `One or more parameters are invalid. Reason: ${reason}`);
  }
}
