/** Machines on Azure and their prices, as the scaler reaches them: by AWS's word on who it is. */
import { AzureInstanceProvider } from '../../adapters/azure/azure-instance-provider.ts';
import { AzureOfferSource } from '../../adapters/azure/azure-offer-source.ts';
import { tokenFor } from '../../adapters/identity/access-token.ts';
import { azureTokenFromAws } from '../../adapters/identity/azure-from-aws.ts';
import { AZURE_RESOURCES } from '../../adapters/identity/azure-metadata-token.ts';
import { type AzureCloud, azureAddresses } from '../../core/clouds.ts';
import { AZURE } from '../../worker-bootstrap/platforms/azure.ts';
import { renderUserData } from '../../worker-bootstrap/user-data.ts';
import type { CloudMachinesOptions, RentedMachines } from './providers.ts';

export function azureMachines(cloud: AzureCloud, options: CloudMachinesOptions): RentedMachines {
  const { stage, clock, blobs, bootstrapSha256: sha256 } = options;
  const resource = AZURE_RESOURCES.management;
  const token = tokenFor(cloud.endpoints.management ?? resource, azureTokenFromAws(cloud, { resource, clock }));
  const url = `${azureAddresses(cloud, stage).bucketUrl}/artifacts/${sha256}/bootstrap.sh`;
  return {
    provider: new AzureInstanceProvider({
      cloud,
      stage,
      token,
      startupScript: (environment) => renderUserData({ url, sha256, environment, platform: AZURE }),
      launches: blobs,
    }),
    offers: new AzureOfferSource({ cloud, token, blobs, clock }),
  };
}
