import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { SqsDelayedQueue } from '../../adapters/aws/sqs-delayed-queue.ts';
import { systemClock } from '../factories/manual-clock.ts';
import type { DelayedQueueSetup } from './delayed-queue.ts';

/**
 * @param sqs for the test's own hands
 * @param client for the adapter
 */
export function sqsDelayedQueueSetup(sqs: SQSClient, client: SQSClient, QueueUrl: string): DelayedQueueSetup {
  return {
    delayed: new SqsDelayedQueue({ client, queueUrl: QueueUrl, clock: systemClock }),
    now: () => new Date(),
    due: async () => {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
      );
      for (const { ReceiptHandle } of Messages) {
        await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      }
      return Messages.map(({ Body = '' }) => Body);
    },
    heldBack: async () => {
      const { Attributes } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessagesDelayed'] }),
      );
      return Number(Attributes?.['ApproximateNumberOfMessagesDelayed']);
    },
    elapse: (seconds) => sleep(seconds * 1_000),
  };
}
