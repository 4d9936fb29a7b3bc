/** Messages of a queue as Lambda hands them to a function (Lambda Developer Guide, "Using Lambda with Amazon SQS"). */
import type { Message } from '@aws-sdk/client-sqs';
import type { SQSEvent, SQSRecord } from 'aws-lambda';
import { LOCAL_REGION } from '../physical-names.ts';

/** A message that can be told apart and deleted: every one that a queue gives has both. */
export type ReceivedMessage = Message & { readonly MessageId: string; readonly ReceiptHandle: string };

export const isReceived = (message: Message): message is ReceivedMessage =>
  message.MessageId !== undefined && message.ReceiptHandle !== undefined;

export const queueEvent = (queueArn: string, messages: readonly ReceivedMessage[]): SQSEvent => ({
  Records: messages.map((message) => recordOf(queueArn, message)),
});

function recordOf(queueArn: string, message: ReceivedMessage): SQSRecord {
  const attributes = message.Attributes ?? {};
  return {
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body ?? '',
    attributes: {
      ...attributes,
      ApproximateReceiveCount: attributes.ApproximateReceiveCount ?? '1',
      SentTimestamp: attributes.SentTimestamp ?? '0',
      SenderId: attributes.SenderId ?? '',
      ApproximateFirstReceiveTimestamp: attributes.ApproximateFirstReceiveTimestamp ?? '0',
    },
    messageAttributes: Object.fromEntries(
      Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [
        name,
        {
          ...(value.StringValue === undefined ? {} : { stringValue: value.StringValue }),
          ...(value.BinaryValue ? { binaryValue: Buffer.from(value.BinaryValue).toString('base64') } : {}),
          dataType: value.DataType ?? 'String',
        },
      ]),
    ),
    md5OfBody: message.MD5OfBody ?? '',
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: LOCAL_REGION,
  };
}
