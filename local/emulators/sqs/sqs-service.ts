/** The SQS API over {@link QueueRegistry}: maps each operation to a queue and its answer to SQS's words. */
import { AwsError } from '../protocol/aws-error.ts';
import type { JsonCall, JsonHandler } from '../protocol/json-protocol.ts';
import { applyToBatch } from './batch.ts';
import type { Queue } from './queue.ts';
import { type QueueRegistry, queueUrlOf } from './queue-registry.ts';
import { describeMessage } from './received-message.ts';
import * as requests from './requests.ts';

const { parseSqs } = requests;

type Operation = (queues: QueueRegistry, call: JsonCall) => Promise<object> | object;

const operations: Readonly<Record<string, Operation>> = {
  CreateQueue: (queues, { input, origin }) => {
    const { QueueName, Attributes } = parseSqs(requests.createQueueSchema, input);
    return { QueueUrl: queueUrlOf(origin, queues.create(QueueName, Attributes)) };
  },
  GetQueueUrl: (queues, { input, origin }) => {
    const { QueueName } = parseSqs(requests.getQueueUrlSchema, input);
    return { QueueUrl: queueUrlOf(origin, queues.byName(QueueName)) };
  },
  ListQueues: (queues, { input, origin }) => {
    const { QueueNamePrefix } = parseSqs(requests.listQueuesSchema, input);
    return { QueueUrls: queues.list(QueueNamePrefix).map((queue) => queueUrlOf(origin, queue)) };
  },
  DeleteQueue: (queues, { input }) => {
    queues.remove(queues.byUrl(parseSqs(requests.queueSchema, input).QueueUrl));
    return {};
  },
  PurgeQueue: (queues, { input }) => {
    queues.byUrl(parseSqs(requests.queueSchema, input).QueueUrl).purge();
    return {};
  },
  GetQueueAttributes: (queues, { input }) => {
    const { QueueUrl, AttributeNames } = parseSqs(requests.getAttributesSchema, input);
    return { Attributes: describeQueue(queues.byUrl(QueueUrl), AttributeNames) };
  },
  SetQueueAttributes: (queues, { input }) => {
    const { QueueUrl, Attributes } = parseSqs(requests.setAttributesSchema, input);
    queues.byUrl(QueueUrl).attributes.set(Attributes);
    return {};
  },
  SendMessage: (queues, { input }) => send(queues.byUrl(parseSqs(requests.queueSchema, input).QueueUrl), input),
  SendMessageBatch: (queues, { input }) => {
    const { QueueUrl, Entries } = parseSqs(requests.batchSchema, input);
    const queue = queues.byUrl(QueueUrl);
    const bytes = Entries.reduce((sum, { MessageBody }) => sum + Buffer.byteLength(String(MessageBody)), 0);
    if (bytes > 1_048_576) {
      const message = `Batch requests cannot be longer than 1048576 bytes. You have sent ${bytes} bytes.`;
      throw new AwsError('BatchRequestTooLong', message);
    }
    return applyToBatch(Entries, (entry) => send(queue, entry));
  },
  ReceiveMessage: (queues, call) => receive(queues, call),
  DeleteMessage: (queues, { input }) => {
    const { QueueUrl, ReceiptHandle } = parseSqs(requests.deleteMessageSchema, input);
    queues.byUrl(QueueUrl).delete(ReceiptHandle);
    return {};
  },
  DeleteMessageBatch: (queues, { input }) => {
    const { QueueUrl, Entries } = parseSqs(requests.batchSchema, input);
    const queue = queues.byUrl(QueueUrl);
    return applyToBatch(Entries, (entry) => {
      queue.delete(parseSqs(requests.receiptSchema, entry).ReceiptHandle);
      return {};
    });
  },
  ChangeMessageVisibility: (queues, { input }) => {
    const { QueueUrl, ReceiptHandle, VisibilityTimeout } = parseSqs(requests.changeVisibilitySchema, input);
    queues.byUrl(QueueUrl).changeVisibility(ReceiptHandle, VisibilityTimeout);
    return {};
  },
  ChangeMessageVisibilityBatch: (queues, { input }) => {
    const { QueueUrl, Entries } = parseSqs(requests.batchSchema, input);
    const queue = queues.byUrl(QueueUrl);
    return applyToBatch(Entries, (entry) => {
      const { ReceiptHandle, VisibilityTimeout } = parseSqs(requests.visibilitySchema, entry);
      queue.changeVisibility(ReceiptHandle, VisibilityTimeout);
      return {};
    });
  },
};

/** Every SQS call of this process passes through the returned function. */
export function createSqsHandler(queues: QueueRegistry): JsonHandler {
  return (call) => {
    const operation = operations[call.operation];
    if (operation === undefined) throw new AwsError('UnsupportedOperation', `Not emulated: ${call.operation}`);
    return operation(queues, call);
  };
}

function send(queue: Queue, input: unknown): object {
  const draft = parseSqs(requests.messageSchema, input);
  requests.checkMessage(draft, queue.attributes.number('MaximumMessageSize'));
  const message = queue.send(
    {
      body: draft.MessageBody,
      attributes: draft.MessageAttributes,
      traceHeader: draft.MessageSystemAttributes.AWSTraceHeader?.StringValue,
      groupId: draft.MessageGroupId,
    },
    draft.DelaySeconds ?? queue.attributes.number('DelaySeconds'),
  );
  return { MessageId: message.messageId, MD5OfMessageBody: message.bodyMd5 };
}

async function receive(queues: QueueRegistry, { input, signal }: JsonCall): Promise<object> {
  const request = parseSqs(requests.receiveMessageSchema, input);
  const queue = queues.byUrl(request.QueueUrl);
  const messages = await queue.receive({
    maxMessages: request.MaxNumberOfMessages,
    waitSeconds: request.WaitTimeSeconds ?? queue.attributes.number('ReceiveMessageWaitTimeSeconds'),
    visibilityTimeoutSeconds: request.VisibilityTimeout ?? queue.attributes.number('VisibilityTimeout'),
    signal,
  });
  const wanted = {
    system: [...request.AttributeNames, ...request.MessageSystemAttributeNames],
    message: request.MessageAttributeNames,
  };
  return messages.length === 0
    ? {}
    : { Messages: messages.map((message) => describeMessage(queue.name, message, wanted)) };
}

function describeQueue(queue: Queue, wanted: readonly string[]): Record<string, string> {
  const { visible, inFlight, delayed } = queue.counts();
  const all = {
    ...queue.attributes.all(),
    QueueArn: queue.arn,
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
    CreatedTimestamp: String(Math.floor(queue.createdAt / 1000)),
    LastModifiedTimestamp: String(Math.floor(queue.createdAt / 1000)),
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => wanted.includes('All') || wanted.includes(name)));
}
