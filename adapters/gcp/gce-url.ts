/** Addresses of Compute Engine's REST API. */
import type { GcpCloud } from '../../core/clouds.ts';

export const computeUrl = ({ project, endpoints }: GcpCloud, path: string): string =>
  `${endpoints.compute ?? 'https://compute.googleapis.com'}/compute/v1/projects/${project}/${path}`;
