/** A fleet's task queues on SQS. The lease on a task is the message's visibility timeout: no heartbeats. */
import { randomUUID } from 'node:crypto';
import {
  type BatchResultErrorEntry,
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { toAsciiJson } from '../../core/ascii-json.ts';
import { NotFoundError } from '../../core/errors.ts';
import { taskQueueName } from '../../core/ids.ts';
import type { QueueDepth } from '../../core/plan-scale.ts';
import type { Lease, Received, TaskQueue, TaskQueues, UnreadableMessage } from '../../core/ports.ts';
import { readTaskMessage } from '../read-task-message.ts';
import { awsCodeOf } from './aws-errors.ts';
import { inBatches } from './sqs-batch.ts';

type Handle = Pick<Lease, 'receiptHandle'>;

/** SQS keeps a message invisible for at most 12 hours from its receipt. */
const MAX_VISIBILITY_SECONDS = 12 * 3600;

export class SqsTaskQueue implements TaskQueue {
  readonly #client: SQSClient;
  readonly #queueUrl: string;

  constructor(options: { client: SQSClient; queueUrl: string }) {
    this.#client = options.client;
    this.#queueUrl = options.queueUrl;
  }

  async send(messages: Parameters<TaskQueue['send']>[0]): Promise<void> {
    const entries = messages.map((message, index) => ({
      Id: String(index),
      MessageBody: toAsciiJson(message),
      // Fair queues: one large job must not starve the rest.
      MessageGroupId: message.jobId,
    }));
    await inBatches(
      entries,
      (Entries) => this.#client.send(new SendMessageBatchCommand({ QueueUrl: this.#queueUrl, Entries })),
      (entry) => entry.MessageBody.length,
    ).catch(refuseUnknownQueue);
  }

  async receive(options: { maxMessages: number; waitSeconds: number; leaseSeconds: number }): Promise<Received> {
    const { Messages = [] } = await this.#client.send(
      new ReceiveMessageCommand({
        QueueUrl: this.#queueUrl,
        MaxNumberOfMessages: Math.min(10, options.maxMessages),
        WaitTimeSeconds: Math.min(20, options.waitSeconds),
        VisibilityTimeout: visibility(options.leaseSeconds),
        MessageSystemAttributeNames: ['ApproximateReceiveCount'],
      }),
    );
    const leases: Lease[] = [];
    const unreadable: UnreadableMessage[] = [];
    for (const message of Messages) {
      const read = readMessage(message);
      if ('message' in read) leases.push(read);
      else unreadable.push(read);
    }
    return { leases, unreadable };
  }

  async acknowledge(leases: readonly Handle[]): Promise<void> {
    const entries = leases.map(({ receiptHandle }, index) => ({ Id: String(index), ReceiptHandle: receiptHandle }));
    await inBatches(entries, async (Entries) => {
      const answer = await this.#client.send(new DeleteMessageBatchCommand({ QueueUrl: this.#queueUrl, Entries }));
      return { Failed: answer.Failed?.filter((entry) => !isLapsed(entry)) };
    });
  }

  async changeLease(leases: readonly Handle[], leaseSeconds: number): Promise<void> {
    const VisibilityTimeout = visibility(leaseSeconds);
    const entries = leases.map(({ receiptHandle }, index) => ({
      Id: String(index),
      ReceiptHandle: receiptHandle,
      VisibilityTimeout,
    }));
    await inBatches(entries, async (Entries) => {
      const command = new ChangeMessageVisibilityBatchCommand({ QueueUrl: this.#queueUrl, Entries });
      const answer = await this.#client.send(command);
      return { Failed: answer.Failed?.filter((entry) => !isLapsed(entry)) };
    });
  }

  async depth(): Promise<QueueDepth> {
    const { Attributes = {} } = await this.#client.send(
      new GetQueueAttributesCommand({
        QueueUrl: this.#queueUrl,
        AttributeNames: [
          'ApproximateNumberOfMessages',
          'ApproximateNumberOfMessagesNotVisible',
          'ApproximateNumberOfMessagesDelayed',
        ],
      }),
    );
    return {
      visible: Number(Attributes['ApproximateNumberOfMessages'] ?? 0),
      inFlight: Number(Attributes['ApproximateNumberOfMessagesNotVisible'] ?? 0),
      delayed: Number(Attributes['ApproximateNumberOfMessagesDelayed'] ?? 0),
    };
  }
}

/** The queues of every fleet and priority, found by their names under one prefix: no call is needed to find them. */
export function sqsTaskQueues(options: { client: SQSClient; queueUrlPrefix: string; stage: string }): TaskQueues {
  const { client, queueUrlPrefix, stage } = options;
  const known = new Map<string, SqsTaskQueue>();
  return (fleet, priority) => {
    const queueUrl = queueUrlPrefix + taskQueueName(fleet, priority, stage);
    const queue = known.get(queueUrl) ?? new SqsTaskQueue({ client, queueUrl });
    known.set(queueUrl, queue);
    return queue;
  };
}

/** Its names in the JSON protocol and in the older one. */
const NO_SUCH_QUEUE: ReadonlySet<string> = new Set(['QueueDoesNotExist', 'AWS.SimpleQueueService.NonExistentQueue']);

/** @throws NotFoundError for a fleet that is not deployed: no retry brings its queue */
function refuseUnknownQueue(error: unknown): never {
  if (NO_SUCH_QUEUE.has(awsCodeOf(error))) throw new NotFoundError('there is no such queue', { cause: error });
  throw error;
}

const visibility = (seconds: number): number => Math.min(MAX_VISIBILITY_SECONDS, Math.max(0, Math.ceil(seconds)));

/** The lease was over before the call came: the message may come again, and that is no error. */
const isLapsed = ({ Code = '', Message = '' }: BatchResultErrorEntry): boolean =>
  /MessageNotInflight|ReceiptHandleIsInvalid/.test(Code) ||
  // The same code also says that 12 hours in all were exceeded: then the lease stands as it was, and that is an error.
  (Code.includes('InvalidParameterValue') && !/beyond the limit|maximum/i.test(Message));

function readMessage({ Body = '', ReceiptHandle = '', Attributes }: Message): Lease | UnreadableMessage {
  const handle = { receiptHandle: ReceiptHandle, receiveCount: Number(Attributes?.ApproximateReceiveCount ?? 1) };
  const read = readTaskMessage(Body);
  return 'message' in read ? { ...handle, leaseId: randomUUID(), ...read } : { ...handle, ...read };
}
