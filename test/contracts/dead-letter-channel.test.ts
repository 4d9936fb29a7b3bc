import { SqsDeadLetterChannel } from '../../adapters/aws/sqs-dead-letter-channel.ts';
import { InMemoryDeadLetterChannel } from '../fakes/in-memory-dead-letter-channel.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeDeadLetterChannelContract } from './dead-letter-channel.ts';
import { drainQueue } from './drain-queue.ts';

describeDeadLetterChannelContract('in memory', async () => {
  const channel = new InMemoryDeadLetterChannel();
  return { channel, letters: async () => channel.letters };
});

const world = useAwsWorld();
describeDeadLetterChannelContract('SQS', async () => {
  const queueUrl = await world().queue();
  return {
    channel: new SqsDeadLetterChannel({ client: world().sqs, queueUrl }),
    letters: async () => (await drainQueue(world().sqs, queueUrl)).map((body) => JSON.parse(body)),
  };
});
