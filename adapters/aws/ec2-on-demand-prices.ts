/** What on-demand Linux machines of a region cost, by type: AWS's price list ("GetProducts", AmazonEC2). */
import { GetProductsCommand, type PricingClient } from '@aws-sdk/client-pricing';
import { z } from 'zod';

/** A product of the list: JSON in a string, of which this much is needed. */
const productSchema = z.object({
  product: z.object({ attributes: z.object({ instanceType: z.string() }) }),
  terms: z.object({
    OnDemand: z.record(
      z.string(),
      z.object({
        priceDimensions: z.record(
          z.string(),
          z.object({ unit: z.string(), pricePerUnit: z.object({ USD: z.coerce.number() }) }),
        ),
      }),
    ),
  }),
});

export async function readOnDemandPrices(client: PricingClient, region: string): Promise<ReadonlyMap<string, number>> {
  const match = (Field: string, Value: string) => ({ Type: 'TERM_MATCH' as const, Field, Value });
  const prices = new Map<string, number>();
  let NextToken: string | undefined;
  do {
    const answer = await client.send(
      new GetProductsCommand({
        ServiceCode: 'AmazonEC2',
        Filters: [
          match('regionCode', region),
          match('operatingSystem', 'Linux'),
          match('preInstalledSw', 'NA'),
          match('tenancy', 'Shared'),
          match('capacitystatus', 'Used'),
        ],
        MaxResults: 100,
        NextToken,
      }),
    );
    for (const text of answer.PriceList ?? []) {
      const parsed = productSchema.safeParse(JSON.parse(String(text)));
      if (!parsed.success) continue;
      const { product, terms } = parsed.data;
      const dimensions = Object.values(terms.OnDemand).flatMap((term) => Object.values(term.priceDimensions));
      const hourly = dimensions.find(({ unit, pricePerUnit }) => unit === 'Hrs' && pricePerUnit.USD > 0);
      if (hourly) prices.set(product.attributes.instanceType, hourly.pricePerUnit.USD);
    }
    NextToken = answer.NextToken;
  } while (NextToken);
  return prices;
}
