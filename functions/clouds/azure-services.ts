import { AzureBlobStore } from '../../adapters/azure/azure-blob-store.ts';
import { AzureControlChannel } from '../../adapters/azure/azure-control-channel.ts';
import { serviceBusTaskQueues } from '../../adapters/azure/service-bus-task-queue.ts';
import { tokenFor } from '../../adapters/identity/access-token.ts';
import { azureTokenFromAws } from '../../adapters/identity/azure-from-aws.ts';
import { AZURE_RESOURCES } from '../../adapters/identity/azure-metadata-token.ts';
import { type AzureCloud, azureAddresses } from '../../core/clouds.ts';
import type { Clock } from '../../core/ports.ts';
import type { CloudServices } from './fleet-services.ts';

/** Service Bus and Blob Storage, as the control plane reaches them. */
export function azureServices(cloud: AzureCloud, stage: string, clock: Clock): CloudServices {
  const { queueUrlPrefix, bucketUrl: containerUrl } = azureAddresses(cloud, stage);
  const tokenOf = (url: string, resource: string) => tokenFor(url, azureTokenFromAws(cloud, { resource, clock }));
  const bucket = { containerUrl, token: tokenOf(containerUrl, AZURE_RESOURCES.storage) };
  return {
    queues: serviceBusTaskQueues({
      queueUrlPrefix,
      stage,
      token: tokenOf(queueUrlPrefix, AZURE_RESOURCES.serviceBus),
    }),
    control: new AzureControlChannel(bucket),
    blobs: new AzureBlobStore(bucket),
  };
}
