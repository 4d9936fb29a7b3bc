import { type AzureCloud, azureCloudSchema } from '../../../core/clouds.ts';
import { AZURE_CLOUD } from '../../factories/clouds.ts';

/** A cloud as `fleets.yml` declares it, read. */
export const azureCloudFactory = (overrides: Partial<AzureCloud> = {}): AzureCloud => ({
  ...azureCloudSchema.parse(AZURE_CLOUD),
  ...overrides,
});
