import { setTimeout as sleep } from 'node:timers/promises';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { sqsTaskQueues } from '../../adapters/aws/sqs-task-queue.ts';
import { pubSubTaskQueues } from '../../adapters/gcp/pubsub-task-queue.ts';
import { taskQueueName } from '../../core/ids.ts';
import { ManualClock } from '../factories/manual-clock.ts';
import { InMemoryTaskQueue } from '../fakes/in-memory-task-queue.ts';
import { useAwsWorld } from './aws-world.ts';
import { useGcpWorld } from './gcp-world.ts';
import { serviceBusTaskQueueSetup } from './service-bus-task-queue-setup.ts';
import { describeTaskQueueContract } from './task-queue.ts';

describeTaskQueueContract('in memory', async () => {
  const clock = new ManualClock();
  const queue = new InMemoryTaskQueue({ clock });
  return {
    queue,
    sendRaw: async (body) => queue.queue.send(body),
    elapse: async (seconds) => clock.advance(seconds),
  };
});

const world = useAwsWorld();
let fleets = 0;
describeTaskQueueContract('SQS', async () => {
  fleets += 1;
  const fleet = `fleet-${fleets}`;
  const queueUrl = await world().queue(taskQueueName(fleet, 'normal', 'test'));
  const queueUrlPrefix = queueUrl.slice(0, queueUrl.lastIndexOf('/') + 1);
  return {
    queue: sqsTaskQueues({ client: world().sqs, queueUrlPrefix, stage: 'test' })(fleet, 'normal'),
    sendRaw: async (MessageBody) => {
      await world().sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody }));
    },
    elapse: (seconds) => sleep(seconds * 1_000),
  };
});

describeTaskQueueContract('Service Bus', serviceBusTaskQueueSetup());

const gcp = useGcpWorld();
describeTaskQueueContract('Pub/Sub', async () => {
  const { time: clock, queueUrlPrefix, pubSub } = gcp();
  const { fleet, subscription } = gcp().fleet();
  return {
    queue: pubSubTaskQueues({ queueUrlPrefix, stage: 'test', token: null, clock })(fleet, 'normal'),
    sendRaw: async (body) => {
      pubSub.broker.publish(subscription.config.topic, { messages: [{ data: Buffer.from(body) }] });
    },
    counted: async () => {
      const { waiting, outstanding } = subscription.backlog;
      return { visible: waiting, inFlight: outstanding, delayed: 0 };
    },
    elapse: (seconds) => clock.advance(seconds),
  };
});
