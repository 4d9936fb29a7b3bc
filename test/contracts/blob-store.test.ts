import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { AzureBlobStore } from '../../adapters/azure/azure-blob-store.ts';
import { GcsBlobStore } from '../../adapters/gcp/gcs-blob-store.ts';
import { useBlobs } from '../clouds/azure/use-azure.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeBlobStoreContract } from './blob-store.ts';
import { useGcpWorld } from './gcp-world.ts';

describeBlobStoreContract('in memory', async () => new InMemoryBlobStore());

const world = useAwsWorld();
describeBlobStoreContract('S3', async () => new S3BlobStore({ client: world().s3, bucket: await world().bucket() }));

const azure = useBlobs();
describeBlobStoreContract(
  'Azure',
  async () => new AzureBlobStore({ containerUrl: azure().freshContainer(), token: null }),
);

const gcp = useGcpWorld();
describeBlobStoreContract('Cloud Storage', async () => new GcsBlobStore({ bucketUrl: gcp().bucketUrl(), token: null }));
