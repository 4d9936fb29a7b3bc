import { SqsStatusChannel } from '../../adapters/aws/sqs-status-channel.ts';
import { ServiceBusStatusChannel } from '../../adapters/azure/service-bus-status-channel.ts';
import { PubSubStatusChannel } from '../../adapters/gcp/pubsub-status-channel.ts';
import { useServiceBus } from '../clouds/azure/use-azure.ts';
import { ManualClock } from '../factories/manual-clock.ts';
import { InMemoryQueue } from '../fakes/in-memory-queue.ts';
import { InMemoryStatusChannel } from '../fakes/in-memory-status-channel.ts';
import { useAwsWorld } from './aws-world.ts';
import { drainQueue } from './drain-queue.ts';
import { useGcpWorld } from './gcp-world.ts';
import { describeStatusChannelContract } from './status-channel.ts';

describeStatusChannelContract('in memory', async () => {
  const queue = new InMemoryQueue({ clock: new ManualClock() });
  return {
    channel: new InMemoryStatusChannel({ queue, source: 'i-1' }),
    bodies: async () => queue.receive(1_000, 60).map((message) => message.body),
  };
});

const world = useAwsWorld();
describeStatusChannelContract('SQS', async () => {
  const queueUrl = await world().queue();
  return {
    channel: new SqsStatusChannel({ client: world().sqs, queueUrl, source: 'i-1' }),
    bodies: () => drainQueue(world().sqs, queueUrl),
  };
});

const bus = useServiceBus();
describeStatusChannelContract('Service Bus', async () => {
  const queue = bus().broker.create(`status-${crypto.randomUUID()}`);
  return {
    channel: new ServiceBusStatusChannel({ queueUrl: `${bus().restUrl}/${queue.name}`, source: 'i-1', token: null }),
    bodies: async () => queue.peek(1, 1_000).map(({ body }) => body.toString()),
  };
});

const gcp = useGcpWorld();
let channels = 0;
describeStatusChannelContract('Pub/Sub', async () => {
  channels += 1;
  const name = `shoal-status-${channels}`;
  const subscription = gcp().queue(name);
  const topicUrl = `${gcp().queueUrlPrefix}topics/${name}`;
  return {
    channel: new PubSubStatusChannel({ topicUrl, source: 'i-1', token: null }),
    bodies: async () => subscription.pull(1_000).map(({ message }) => message.data.toString('utf8')),
  };
});
