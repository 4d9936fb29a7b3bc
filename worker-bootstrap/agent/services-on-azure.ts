import { AzureBlobStore } from '../../adapters/azure/azure-blob-store.ts';
import { AzureControlChannel } from '../../adapters/azure/azure-control-channel.ts';
import { ServiceBusStatusChannel } from '../../adapters/azure/service-bus-status-channel.ts';
import { serviceBusTaskQueues } from '../../adapters/azure/service-bus-task-queue.ts';
import { tokenFor } from '../../adapters/identity/access-token.ts';
import { AZURE_RESOURCES, azureMetadataToken } from '../../adapters/identity/azure-metadata-token.ts';
import type { Clock } from '../../core/ports.ts';
import type { AgentServices, ServicesConfig } from './services.ts';

export function servicesOnAzure(
  config: ServicesConfig,
  clock: Clock,
  onRenewalFailed: (error: unknown) => void,
): AgentServices {
  const {
    bucket: containerUrl,
    queueUrlPrefix,
    stage,
    statusQueueUrl: queueUrl,
    instanceId: source,
    metadataUrl,
  } = config;
  const tokenOf = (url: string, resource: string) =>
    tokenFor(url, azureMetadataToken({ resource, clock, ...(metadataUrl === null ? {} : { url: metadataUrl }) }));
  const bucket = { containerUrl, token: tokenOf(containerUrl, AZURE_RESOURCES.storage) };
  const token = tokenOf(queueUrlPrefix, AZURE_RESOURCES.serviceBus);
  return {
    queues: serviceBusTaskQueues({ queueUrlPrefix, stage, token, onRenewalFailed }),
    status: new ServiceBusStatusChannel({ queueUrl, source, token }),
    openBucket: async () => ({ control: new AzureControlChannel(bucket), blobs: new AzureBlobStore(bucket) }),
  };
}
