/** The deployment's bucket, as the agent uses it. */

import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { createS3Client } from '../../adapters/aws/s3-client.ts';
import { S3ControlChannel } from '../../adapters/aws/s3-control-channel.ts';

export function openBucket(bucket: string) {
  const client = createS3Client();
  return { control: new S3ControlChannel({ client, bucket }), blobs: new S3BlobStore({ client, bucket }) };
}
