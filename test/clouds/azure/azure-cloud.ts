import { type AzureCloud, azureCloudSchema } from '../../../core/clouds.ts';

const SUBSCRIPTION = '11111111-1111-4111-8111-111111111111';
const GROUP = `/subscriptions/${SUBSCRIPTION}/resourceGroups/shoal-test`;

/** A cloud as `fleets.yml` declares it. */
export const azureCloudFactory = (overrides: Partial<AzureCloud> = {}): AzureCloud => ({
  ...azureCloudSchema.parse({
    tenantId: '22222222-2222-4222-8222-222222222222',
    subscriptionId: SUBSCRIPTION,
    controlClientId: '33333333-3333-4333-8333-333333333333',
    resourceGroup: 'shoal-test-machines',
    region: 'westeurope',
    namespace: 'shoal-test',
    storageAccount: 'shoaltest',
    workerIdentityId: `${GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/shoal-test-worker`,
    bridgePrincipalId: '44444444-4444-4444-8444-444444444444',
    bridgeAudience: 'api://shoal-test',
    subnetId: `${GROUP}/providers/Microsoft.Network/virtualNetworks/shoal-test/subnets/machines`,
  }),
  ...overrides,
});
