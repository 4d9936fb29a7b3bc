/**
 * Every SQS adapter holds its contract while SQS throttles, fails, answers in part and loses answers (lesson 6, lesson 47).
 * Two losses cannot be hidden, and are left out here: a send without an answer is sent twice, and a receipt without an
 * answer waits for its lease. What becomes of them is told in `lost-responses.test.ts`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { SqsDeadLetterChannel } from '../../../adapters/aws/sqs-dead-letter-channel.ts';
import { SqsStatusChannel } from '../../../adapters/aws/sqs-status-channel.ts';
import { sqsTaskQueues } from '../../../adapters/aws/sqs-task-queue.ts';
import { taskQueueName } from '../../../core/ids.ts';
import { describeDeadLetterChannelContract } from '../../contracts/dead-letter-channel.ts';
import { describeDelayedQueueContract } from '../../contracts/delayed-queue.ts';
import { drainQueue } from '../../contracts/drain-queue.ts';
import { sqsDelayedQueueSetup } from '../../contracts/sqs-delayed-queue-setup.ts';
import { describeStatusChannelContract } from '../../contracts/status-channel.ts';
import { describeTaskQueueContract } from '../../contracts/task-queue.ts';
import { useTroubledWorld } from './troubled-world.ts';

const troubled = useTroubledWorld([
  { service: 'sqs', kind: 'throttle', probability: 0.15, seed: 1 },
  { service: 'sqs', kind: 'unavailable', probability: 0.1, seed: 2 },
  { service: 'sqs', kind: 'partial', probability: 0.1, seed: 3 },
  { service: 'sqs', operation: 'DeleteMessageBatch', kind: 'lost-response', probability: 0.2, seed: 4 },
  { service: 'sqs', operation: 'ChangeMessageVisibilityBatch', kind: 'lost-response', probability: 0.3, seed: 5 },
  { service: 'sqs', operation: 'GetQueueAttributes', kind: 'lost-response', probability: 0.2, seed: 6 },
  { service: 'sqs', kind: 'delay', delayMs: 5, probability: 0.2, seed: 7 },
]);

let fleets = 0;
describeTaskQueueContract('SQS under faults', async () => {
  const { world, clients } = troubled();
  fleets += 1;
  const fleet = `fleet-${fleets}`;
  const queueUrl = await world.queue(taskQueueName(fleet, 'normal', 'test'));
  const queueUrlPrefix = queueUrl.slice(0, queueUrl.lastIndexOf('/') + 1);
  return {
    queue: sqsTaskQueues({ client: clients.sqs, queueUrlPrefix, stage: 'test' })(fleet, 'normal'),
    sendRaw: async (MessageBody) => {
      await world.sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody }));
    },
    elapse: (seconds) => sleep(seconds * 1_000),
  };
});

describeDelayedQueueContract('SQS under faults', async () =>
  sqsDelayedQueueSetup(troubled().world.sqs, troubled().clients.sqs, await troubled().world.queue()),
);

describeStatusChannelContract('SQS under faults', async () => {
  const { world, clients } = troubled();
  const queueUrl = await world.queue();
  return {
    channel: new SqsStatusChannel({ client: clients.sqs, queueUrl, source: 'i-1' }),
    bodies: () => drainQueue(world.sqs, queueUrl),
  };
});

describeDeadLetterChannelContract('SQS under faults', async () => {
  const { world, clients } = troubled();
  const queueUrl = await world.queue();
  return {
    channel: new SqsDeadLetterChannel({ client: clients.sqs, queueUrl }),
    letters: async () => (await drainQueue(world.sqs, queueUrl)).map((body) => JSON.parse(body)),
  };
});
