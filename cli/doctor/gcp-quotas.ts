/** Whether a region's quotas of vCPUs leave room for the fleets there. They come with the region itself ("regions.get", `quotas`). */
import { z } from 'zod';
import { GCE_TYPES } from '../../adapters/catalogue/gce-types.ts';
import type { GcpCloud } from '../../core/clouds.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { Finding } from './finding.ts';
import { quotaFindings } from './quota-findings.ts';

const regionSchema = z.object({
  quotas: z.array(z.object({ metric: z.string(), limit: z.number(), usage: z.number().default(0) })).default([]),
});

const PREEMPTIBLE = 'PREEMPTIBLE_CPUS';
/** Older series share one ("CPU quota", Compute Engine allocation quotas). */
const SHARED = new Set(['e2', 'n1']);

/** @param region as Compute Engine answered */
export async function gcpQuotaFindings(cloud: GcpCloud, fleets: readonly Fleet[], region: unknown): Promise<Finding[]> {
  const { data } = regionSchema.safeParse(region);
  const quotas = new Map(data?.quotas.map((quota) => [quota.metric, quota]));
  // Spot machines use the quotas of standard ones up, as long as the project has none for them ("Preemptible quotas").
  const hasPreemptible = (quotas.get(PREEMPTIBLE)?.limit ?? 0) > 0;
  return quotaFindings({
    cloud: 'GCP',
    fleets,
    machines: GCE_TYPES.map((type) => ({ ...type, gpus: null })),
    quotaOf: (instanceType, market) =>
      market === 'spot' && hasPreemptible ? PREEMPTIBLE : standardQuota(instanceType),
    read: async (metric) => {
      const quota = quotas.get(metric);
      return quota && { name: `${metric} (${quota.usage} in use)`, vcpus: quota.limit };
    },
    raise: (metric, vcpus, market) => raiseCommand(cloud, market === 'spot' ? PREEMPTIBLE : metric, vcpus),
  });
}

/** The newest series have theirs elsewhere: they are not told with the region. */
function standardQuota(instanceType: string): string {
  const [series = ''] = instanceType.split('-');
  return SHARED.has(series) ? 'CPUS' : `${series.toUpperCase()}_CPUS`;
}

const raiseCommand = ({ project, region }: GcpCloud, metric: string, vcpus: number): string =>
  `gcloud quotas preferences create --service=compute.googleapis.com --project=${project} --quota-id=${metric.replaceAll('_', '-')}-per-project-region --dimensions=region=${region} --preferred-value=${vcpus} --email="$(gcloud config get-value account)"`;
