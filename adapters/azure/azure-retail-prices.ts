/** What Linux machines of a region cost, by size and market: the Retail Prices API, which anybody may ask ("Azure Retail Prices overview"). */
import { z } from 'zod';
import { TransientError } from '../../core/errors.ts';
import type { Market } from '../../core/offer.ts';
import { parsedJson } from '../parsed-json.ts';
import { askAzure } from './azure-request.ts';

export const retailPriceSchema = z.object({
  instanceType: z.string(),
  market: z.enum(['spot', 'on-demand']),
  hourlyPriceUsd: z.number().positive(),
});
export type RetailPrice = z.infer<typeof retailPriceSchema>;

const PRICES_URL = 'https://prices.azure.com';
const VERSION = '2023-01-01-preview';
/** A region has some forty pages, and who waits for them has a minute for everything. */
const PAGES_AT_ONCE = 8;
const MOST_PAGES = 500;

const pageSchema = z.object({ Items: z.array(z.unknown()), NextPageLink: z.string().nullish() });
type Page = z.infer<typeof pageSchema>;
const itemSchema = z.object({
  currencyCode: z.literal('USD'),
  retailPrice: z.number().positive(),
  armSkuName: z.string().min(1),
  skuName: z.string(),
  productName: z.string(),
  unitOfMeasure: z.literal('1 Hour'),
  type: z.literal('Consumption'),
  effectiveStartDate: z.string().optional(),
});

/** @throws TransientError */
export async function readRetailPrices(region: string, url = PRICES_URL): Promise<readonly RetailPrice[]> {
  const filter = `serviceName eq 'Virtual Machines' and armRegionName eq '${region}' and priceType eq 'Consumption'`;
  const query = new URLSearchParams({ 'api-version': VERSION, $filter: filter });
  const prices = new Map<string, RetailPrice & { readonly since: string }>();
  let links = [`${url}/api/retail/prices?${query}`];
  for (let asked = 0; links.length > 0; asked += links.length) {
    if (asked > MOST_PAGES) throw new TransientError('the list of prices does not end');
    const pages = await Promise.all(links.map(readPage));
    for (const price of pages.flatMap((page) => page.Items.flatMap(priceIn))) {
      const key = `${price.instanceType}/${price.market}`;
      // One size may be there twice, with the price it had and the price it has.
      if ((prices.get(key)?.since ?? '') <= price.since) prices.set(key, price);
    }
    links = linksAfter(pages);
  }
  return [...prices.values()].map(({ since: _, ...price }) => price);
}

/** Each page says only where the next one begins; as they are equally long, that says where those after it do. */
function linksAfter(pages: readonly Page[]): string[] {
  const last = pages.at(-1);
  if (!last?.NextPageLink || pages.some((page) => !page.NextPageLink)) return [];
  const next = new URL(last.NextPageLink);
  const skip = Number(next.searchParams.get('$skip'));
  if (!(skip > 0) || last.Items.length === 0) return [next.href];
  return Array.from({ length: PAGES_AT_ONCE }, (_, n) => {
    next.searchParams.set('$skip', String(skip + n * last.Items.length));
    return next.href;
  });
}

async function readPage(url: string): Promise<Page> {
  const answer = await askAzure({ service: 'the price list', token: null }, url, { method: 'GET', timeoutMs: 20_000 });
  const page = pageSchema.safeParse(parsedJson(new TextDecoder().decode(answer.bytes)));
  if (answer.status !== 200 || !page.success) {
    throw new TransientError(`the price list answers ${answer.status}`, { context: { url } });
  }
  return page.data;
}

/** Nothing for Windows, for what Azure no longer rents out ("Low Priority"), and for what is no machine by the hour. */
function priceIn(item: unknown): (RetailPrice & { readonly since: string })[] {
  const parsed = itemSchema.safeParse(item);
  if (!parsed.success) return [];
  const { armSkuName, skuName, productName, retailPrice, effectiveStartDate = '' } = parsed.data;
  if (/Windows/.test(productName) || / Low Priority$/.test(skuName)) return [];
  const market: Market = / Spot$/.test(skuName) ? 'spot' : 'on-demand';
  return [{ instanceType: armSkuName, market, hourlyPriceUsd: retailPrice, since: effectiveStartDate }];
}
