/** Every S3 adapter holds its contract while S3 throttles, fails, refuses conditional writes and breaks off (lesson 47). */
import { S3BlobStore } from '../../../adapters/aws/s3-blob-store.ts';
import { S3ControlChannel } from '../../../adapters/aws/s3-control-channel.ts';
import { describeBlobStoreContract } from '../../contracts/blob-store.ts';
import { describeControlChannelContract } from '../../contracts/control-channel.ts';
import { useTroubledWorld } from './troubled-world.ts';

const troubled = useTroubledWorld([
  { service: 's3', kind: 'throttle', probability: 0.15, seed: 1 },
  { service: 's3', kind: 'unavailable', probability: 0.1, seed: 2 },
  { service: 's3', kind: 'conflict', probability: 0.15, seed: 3 },
  { service: 's3', kind: 'lost-response', probability: 0.2, seed: 4 },
]);

describeBlobStoreContract('S3 under faults', async () => {
  const { world, clients } = troubled();
  return new S3BlobStore({ client: clients.s3, bucket: await world.bucket() });
});
describeControlChannelContract('S3 under faults', async () => {
  const { world, clients } = troubled();
  return new S3ControlChannel({ client: clients.s3, bucket: await world.bucket() });
});
