import { S3ControlChannel } from '../../adapters/aws/s3-control-channel.ts';
import { InMemoryControlChannel } from '../fakes/in-memory-control-channel.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeControlChannelContract } from './control-channel.ts';

describeControlChannelContract('in memory', async () => new InMemoryControlChannel());

const world = useAwsWorld();
describeControlChannelContract(
  'S3',
  async () => new S3ControlChannel({ client: world().s3, bucket: await world().bucket() }),
);
