import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeBlobStoreContract } from './blob-store.ts';

describeBlobStoreContract('in memory', async () => new InMemoryBlobStore());

const world = useAwsWorld();
describeBlobStoreContract('S3', async () => new S3BlobStore({ client: world().s3, bucket: await world().bucket() }));
