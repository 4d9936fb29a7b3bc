/** Clouds as `fleets.yml` declares them. */
import type { z } from 'zod';
import type { azureCloudSchema, gcpCloudSchema } from '../../core/clouds.ts';

export const GCP_CLOUD: z.input<typeof gcpCloudSchema> = {
  project: 'acme-batch',
  region: 'europe-west4',
  bucket: 'acme-batch-shoal-test',
  workloadIdentityProvider: 'projects/123456789012/locations/global/workloadIdentityPools/shoal-test/providers/aws',
  controlServiceAccount: 'shoal-control-test@acme-batch.iam.gserviceaccount.com',
  workerServiceAccount: 'shoal-worker-test@acme-batch.iam.gserviceaccount.com',
  bridgeServiceAccountId: '104567890123456789012',
};

const GROUP = '/subscriptions/5a1c6b3e-0f1f-4c39-8f0e-6b2d1d5e7a10/resourceGroups/shoal-test';

export const AZURE_CLOUD: z.input<typeof azureCloudSchema> = {
  tenantId: '0b3f7a52-93d5-4b8a-9d56-2a6a4c1de111',
  subscriptionId: '5a1c6b3e-0f1f-4c39-8f0e-6b2d1d5e7a10',
  controlClientId: '7c9e6679-7425-40de-944b-e07fc1f90ae7',
  resourceGroup: 'shoal-test',
  region: 'westeurope',
  namespace: 'acme-shoal-test',
  storageAccount: 'acmeshoaltest',
  bridgePrincipalId: '3d7f0c55-0f0d-4c59-93d7-6f6f2a1bb222',
  bridgeAudience: 'api://shoal-test',
  workerIdentityId: `${GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/shoal-worker-test`,
  subnetId: `${GROUP}/providers/Microsoft.Network/virtualNetworks/shoal-test/subnets/workers`,
};
