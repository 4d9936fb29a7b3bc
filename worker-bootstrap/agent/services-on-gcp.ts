import { GcsBlobStore } from '../../adapters/gcp/gcs-blob-store.ts';
import { GcsControlChannel } from '../../adapters/gcp/gcs-control-channel.ts';
import { PubSubStatusChannel } from '../../adapters/gcp/pubsub-status-channel.ts';
import { pubSubTaskQueues } from '../../adapters/gcp/pubsub-task-queue.ts';
import { tokenFor } from '../../adapters/identity/access-token.ts';
import { gcpMetadataToken } from '../../adapters/identity/gcp-metadata-token.ts';
import type { Clock } from '../../core/ports.ts';
import type { AgentServices, ServicesConfig } from './services.ts';

export function servicesOnGcp(
  config: ServicesConfig,
  clock: Clock,
  onRenewalFailed: (error: unknown) => void,
): AgentServices {
  const {
    bucket: bucketUrl,
    queueUrlPrefix,
    stage,
    statusQueueUrl: topicUrl,
    instanceId: source,
    metadataUrl,
  } = config;
  const token = gcpMetadataToken({ clock, ...(metadataUrl === null ? {} : { url: metadataUrl }) });
  const bucket = { bucketUrl, token: tokenFor(bucketUrl, token) };
  return {
    queues: pubSubTaskQueues({ queueUrlPrefix, stage, token: tokenFor(queueUrlPrefix, token), onRenewalFailed }),
    status: new PubSubStatusChannel({ topicUrl, source, token: tokenFor(topicUrl, token) }),
    openBucket: async () => ({ control: new GcsControlChannel(bucket), blobs: new GcsBlobStore(bucket) }),
  };
}
