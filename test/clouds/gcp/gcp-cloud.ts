/** The project of Google Cloud that tests declare, with its services at one address of this machine. */
import { type GcpCloud, gcpCloudSchema } from '../../../core/clouds.ts';
import { GCP_CLOUD } from '../../factories/clouds.ts';

export const gcpCloud = (url: string): GcpCloud =>
  gcpCloudSchema.parse({ ...GCP_CLOUD, endpoints: { pubsub: url, storage: url, compute: url, billing: url } });
