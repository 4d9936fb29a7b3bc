/** Whether the subscription's quotas of vCPUs leave room for the fleets in its region ("Usage - List", Azure Compute). */
import { z } from 'zod';
import { AZURE_SIZES } from '../../adapters/catalogue/azure-sizes.ts';
import { type AccessToken, tokenFor } from '../../adapters/identity/access-token.ts';
import type { AzureCloud } from '../../core/clouds.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { Market } from '../../core/offer.ts';
import { type Finding, skipped } from './finding.ts';
import { probe } from './probe.ts';
import { quotaFindings } from './quota-findings.ts';

const usagesSchema = z.object({
  value: z.array(z.object({ name: z.object({ value: z.string() }), currentValue: z.number(), limit: z.number() })),
});
type Usage = z.infer<typeof usagesSchema>['value'][number];

/** All spot machines of a region share one quota, whatever their size ("Use Azure Spot Virtual Machines", Quotas). */
const SPOT = 'lowPriorityCores';
/** What all regular machines of a region may have together, beside what each family may have. */
const REGIONAL = 'cores';

export async function checkAzureQuotas(
  { cloud, fleets }: { readonly cloud: AzureCloud; readonly fleets: readonly Fleet[] },
  token: AccessToken,
): Promise<readonly Finding[]> {
  const what = 'Azure: quotas';
  if (fleets.length === 0) return [skipped(what, 'no fleet is on Azure')];
  const origin = cloud.endpoints.management ?? 'https://management.azure.com';
  const url = `${origin}${locationOf(cloud)}/usages?api-version=2024-07-01`;
  const { status, json } = await probe(url, tokenFor(origin, token));
  if (status === 401 || status === 403) {
    return [skipped(what, 'could not be read as the control plane', lookCommand(cloud))];
  }
  if (status !== 200) throw new Error(`Microsoft.Compute/locations/usages answers ${status}`);
  const usages = new Map(usagesSchema.parse(json).value.map((usage) => [keyOf(usage.name.value), usage]));
  return quotaFindings({
    cloud: 'Azure',
    fleets,
    machines: AZURE_SIZES.map((size) => ({ ...size, gpus: null })),
    quotaOf: (size, market) => (market === 'spot' ? SPOT : regularQuota(size, usages)),
    read: async (name) => {
      const usage = usages.get(keyOf(name));
      return usage && { name: `${name} (${usage.currentValue} in use)`, vcpus: usage.limit };
    },
    raise: (name, vcpus, market) => raiseCommand(cloud, name, vcpus, market),
  });
}

/** Of the two that count such a machine, the one that ends first. */
function regularQuota(size: string, usages: ReadonlyMap<string, Usage>): string {
  const family = usages.get(keyOf(familyOf(size)));
  const regional = usages.get(REGIONAL);
  return family && (!regional || family.limit < regional.limit) ? family.name.value : REGIONAL;
}

/** Names are written in several ways: `standardDSv5Family`, `StandardDsv6Family`, `Standard NCASv3_T4 Family`. */
const keyOf = (name: string): string => name.replaceAll(/[ _]/g, '').toLowerCase();

/** `Standard_D4ps_v5` → `standardDpsv5Family` */
const familyOf = (size: string): string => size.replace(/^Standard_([A-Z]+)\d+/, 'standard$1').concat('Family');

const locationOf = ({ subscriptionId, region }: AzureCloud): string =>
  `/subscriptions/${subscriptionId}/providers/Microsoft.Compute/locations/${region}`;

const lookCommand = ({ subscriptionId, region }: AzureCloud): string =>
  `look for yourself: az vm list-usage --subscription ${subscriptionId} --location ${region} --output table`;

const raiseCommand = (cloud: AzureCloud, name: string, vcpus: number, market: Market): string =>
  `az quota update --resource-name ${name} --scope ${locationOf(cloud)} --limit-object value=${vcpus} --resource-type ${market === 'spot' ? 'lowPriority' : 'dedicated'}`;
