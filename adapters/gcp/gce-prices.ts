/**
 * What vCPUs, memory and GPUs cost in a region, by series: the catalog of Cloud Billing ("services.skus.list"), which has
 * tens of thousands of SKUs and names what each is of in words alone.
 */
import { z } from 'zod';
import type { GcpCloud } from '../../core/clouds.ts';
import type { Market } from '../../core/offer.ts';
import type { GoogleRest } from './google-rest.ts';

/** Compute Engine, in the catalog. */
const SERVICE = '6F81-5844-456A';
/** The most that a page may have: some seven pages. */
const PAGE = 5_000;
/** A tenth of what a page would be otherwise. */
const FIELDS =
  'nextPageToken,skus(description,category(usageType),serviceRegions,pricingInfo(pricingExpression(usageUnit,tieredRates)))';

const pageSchema = z.object({
  skus: z
    .array(
      z.object({
        description: z.string(),
        category: z.object({ usageType: z.string().default('') }),
        serviceRegions: z.array(z.string()).default([]),
        pricingInfo: z
          .array(
            z.object({
              pricingExpression: z.object({
                usageUnit: z.string().default(''),
                tieredRates: z
                  .array(
                    z.object({
                      unitPrice: z.object({ units: z.coerce.number().default(0), nanos: z.number().default(0) }),
                    }),
                  )
                  .default([]),
              }),
            }),
          )
          .default([]),
      }),
    )
    .default([]),
  nextPageToken: z.string().optional(),
});
type Sku = z.infer<typeof pageSchema>['skus'][number];

export const gcePricesSchema = z.object({
  /** By `e2/spot`: of one vCPU, of one GiB of memory. */
  series: z.record(z.string(), z.object({ vcpuUsd: z.number().positive(), memoryGiBUsd: z.number().positive() })),
  /** By `nvidia-l4/spot`: of one. */
  gpus: z.record(z.string(), z.number().positive()),
});
export type GcePrices = z.infer<typeof gcePricesSchema>;

const MARKET_OF: Readonly<Record<string, Market>> = { Preemptible: 'spot', OnDemand: 'on-demand' };

/** `Spot Preemptible N2D AMD Instance Core running in Americas`; C2 has no name but "Compute optimized". */
const SERIES_SKU =
  /^(?:Spot Preemptible )?(N1 Predefined|Compute optimized|[A-Z]\d+[A-Z]*)(?: AMD| Arm)?(?: Instance)? (Core|Ram) running in /;
const SERIES_NAMES: Readonly<Record<string, string>> = { 'N1 Predefined': 'n1', 'Compute optimized': 'c2' };
/** `Nvidia L4 GPU attached to Spot Preemptible VMs running in Iowa`. */
const GPU_SKU = /^(Nvidia [\w ]+?) GPU (?:attached to Spot Preemptible VMs )?running in /;
/** Where the model's name in the API is not that of the catalog. */
const GPU_NAMES: Readonly<Record<string, string>> = {
  'nvidia-tesla-a100-80gb': 'nvidia-a100-80gb',
  'nvidia-h100-80gb-mega': 'nvidia-h100-mega-80gb',
};

export async function readPrices(rest: GoogleRest, { region, endpoints }: GcpCloud): Promise<GcePrices> {
  const parts = new Map<string, { vcpuUsd?: number; memoryGiBUsd?: number }>();
  const gpus: Record<string, number> = {};
  let pageToken: string | undefined;
  do {
    const page = await rest.demand({
      url: `${endpoints.billing ?? 'https://cloudbilling.googleapis.com'}/v1/services/${SERVICE}/skus`,
      query: { pageSize: String(PAGE), fields: FIELDS, pageToken },
      answer: pageSchema,
    });
    for (const sku of page.skus) {
      const market = MARKET_OF[sku.category.usageType];
      const usd = hourlyUsd(sku);
      if (!market || usd === undefined || !sku.serviceRegions.includes(region)) continue;
      const series = SERIES_SKU.exec(sku.description);
      if (series?.[1]) {
        const name = `${SERIES_NAMES[series[1]] ?? series[1].toLowerCase()}/${market}`;
        parts.set(name, { ...parts.get(name), [series[2] === 'Core' ? 'vcpuUsd' : 'memoryGiBUsd']: usd });
      }
      const gpu = GPU_SKU.exec(sku.description)?.[1]?.toLowerCase().replaceAll(' ', '-');
      if (gpu) gpus[`${GPU_NAMES[gpu] ?? gpu}/${market}`] = usd;
    }
    pageToken = page.nextPageToken || undefined;
  } while (pageToken);
  const whole = [...parts].flatMap(([name, { vcpuUsd, memoryGiBUsd }]) =>
    vcpuUsd && memoryGiBUsd ? [[name, { vcpuUsd, memoryGiBUsd }] as const] : [],
  );
  return { series: Object.fromEntries(whole), gpus };
}

/** Of an hour of one; `undefined` for what is billed by anything else, or costs nothing. */
function hourlyUsd({ pricingInfo }: Sku): number | undefined {
  const { usageUnit, tieredRates } = pricingInfo.at(-1)?.pricingExpression ?? { usageUnit: '', tieredRates: [] };
  const rate = tieredRates.at(-1)?.unitPrice;
  const usd = rate ? rate.units + rate.nanos / 1e9 : 0;
  return (usageUnit === 'h' || usageUnit === 'GiBy.h') && usd > 0 ? usd : undefined;
}
