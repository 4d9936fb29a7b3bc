import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteMessageCommand, GetQueueAttributesCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { SqsDelayedQueue } from '../../adapters/aws/sqs-delayed-queue.ts';
import { ManualClock, systemClock } from '../factories/manual-clock.ts';
import { InMemoryDelayedQueue } from '../fakes/in-memory-delayed-queue.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeDelayedQueueContract } from './delayed-queue.ts';

describeDelayedQueueContract('in memory', async () => {
  const clock = new ManualClock();
  const delayed = new InMemoryDelayedQueue({ clock });
  return {
    delayed,
    now: () => clock.now(),
    due: async () => delayed.queue.receive(100, 60).map(({ body }) => body),
    heldBack: async () => delayed.queue.depth().delayed,
    elapse: async (seconds) => clock.advance(seconds),
  };
});

const world = useAwsWorld();
describeDelayedQueueContract('SQS', async () => {
  const QueueUrl = await world().queue();
  const { sqs } = world();
  return {
    delayed: new SqsDelayedQueue({ client: sqs, queueUrl: QueueUrl, clock: systemClock }),
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
});
