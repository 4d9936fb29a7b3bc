/** Machines on Google Cloud and their prices, as the scaler reaches them: by AWS's word on who it is. */
import { GceInstanceProvider } from '../../adapters/gcp/gce-instance-provider.ts';
import { GceOfferSource } from '../../adapters/gcp/gce-offer-source.ts';
import { tokenFor } from '../../adapters/identity/access-token.ts';
import { gcpTokenFromAws } from '../../adapters/identity/gcp-from-aws.ts';
import { type GcpCloud, gcpAddresses } from '../../core/clouds.ts';
import { GCP } from '../../worker-bootstrap/platforms/gcp.ts';
import { renderUserData } from '../../worker-bootstrap/user-data.ts';
import type { CloudMachinesOptions, RentedMachines } from './providers.ts';

export function gcpMachines(cloud: GcpCloud, options: CloudMachinesOptions): RentedMachines {
  const { stage, clock, blobs, bootstrapSha256: sha256 } = options;
  const token = tokenFor(cloud.endpoints.compute ?? 'https://', gcpTokenFromAws(cloud, { clock }));
  const url = `${gcpAddresses(cloud, stage).bucketUrl}/artifacts/${sha256}/bootstrap.sh`;
  return {
    provider: new GceInstanceProvider({
      cloud,
      stage,
      token,
      startupScript: (environment) => renderUserData({ url, sha256, environment, platform: GCP }),
    }),
    offers: new GceOfferSource({ cloud, token, blobs, clock }),
  };
}
