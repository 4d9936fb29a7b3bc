import { S3ControlChannel } from '../../adapters/aws/s3-control-channel.ts';
import { AzureControlChannel } from '../../adapters/azure/azure-control-channel.ts';
import { GcsControlChannel } from '../../adapters/gcp/gcs-control-channel.ts';
import { useBlobs } from '../clouds/azure/use-azure.ts';
import { InMemoryControlChannel } from '../fakes/in-memory-control-channel.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeControlChannelContract } from './control-channel.ts';
import { useGcpWorld } from './gcp-world.ts';

describeControlChannelContract('in memory', async () => new InMemoryControlChannel());

const world = useAwsWorld();
describeControlChannelContract(
  'S3',
  async () => new S3ControlChannel({ client: world().s3, bucket: await world().bucket() }),
);

const azure = useBlobs();
describeControlChannelContract(
  'Azure',
  async () => new AzureControlChannel({ containerUrl: azure().freshContainer(), token: null }),
);

const gcp = useGcpWorld();
describeControlChannelContract(
  'Cloud Storage',
  async () => new GcsControlChannel({ bucketUrl: gcp().bucketUrl(), token: null }),
);
