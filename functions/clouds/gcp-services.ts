import { GcsBlobStore } from '../../adapters/gcp/gcs-blob-store.ts';
import { GcsControlChannel } from '../../adapters/gcp/gcs-control-channel.ts';
import { pubSubTaskQueues } from '../../adapters/gcp/pubsub-task-queue.ts';
import { tokenFor } from '../../adapters/identity/access-token.ts';
import { gcpTokenFromAws } from '../../adapters/identity/gcp-from-aws.ts';
import { type GcpCloud, gcpAddresses } from '../../core/clouds.ts';
import type { Clock } from '../../core/ports.ts';
import type { CloudServices } from './fleet-services.ts';

/** Pub/Sub and Cloud Storage, as the control plane reaches them. */
export function gcpServices(cloud: GcpCloud, stage: string, clock: Clock): CloudServices {
  const { queueUrlPrefix, bucketUrl } = gcpAddresses(cloud, stage);
  const token = gcpTokenFromAws(cloud, { clock });
  const bucket = { bucketUrl, token: tokenFor(bucketUrl, token) };
  return {
    queues: pubSubTaskQueues({ queueUrlPrefix, stage, token: tokenFor(queueUrlPrefix, token) }),
    control: new GcsControlChannel(bucket),
    blobs: new GcsBlobStore(bucket),
  };
}
