/** The Retail Prices API ("Azure Retail Prices overview"): a filter, and pages with `NextPageLink`. */
import { Refusal } from './arm-refusal.ts';

export interface RetailPrice {
  readonly armSkuName: string;
  readonly skuName: string;
  readonly productName: string;
  readonly retailPrice: number;
  readonly type?: string;
  readonly armRegionName?: string;
  readonly unitOfMeasure?: string;
  readonly effectiveStartDate?: string;
}

const FILTER = /^serviceName eq 'Virtual Machines' and armRegionName eq '(\w+)' and priceType eq 'Consumption'$/;

export function retailPricesPage(prices: readonly RetailPrice[], url: URL, pageSize: number): unknown {
  const region = FILTER.exec(url.searchParams.get('$filter') ?? '')?.[1];
  if (!region) throw new Refusal(400, 'BadRequest', 'Invalid OData parameters supplied');
  const all = prices
    .filter(({ armRegionName = region, type = 'Consumption' }) => armRegionName === region && type === 'Consumption')
    .map(({ retailPrice, ...price }) => ({
      currencyCode: 'USD',
      retailPrice,
      unitPrice: retailPrice,
      armRegionName: region,
      serviceName: 'Virtual Machines',
      unitOfMeasure: '1 Hour',
      type: 'Consumption',
      ...price,
    }));
  const from = Number(url.searchParams.get('$skip') ?? 0);
  const Items = all.slice(from, from + pageSize);
  const next = new URL(url);
  next.searchParams.set('$skip', String(from + pageSize));
  return {
    BillingCurrency: 'USD',
    Items,
    Count: Items.length,
    NextPageLink: from + pageSize < all.length ? next.href : null,
  };
}
