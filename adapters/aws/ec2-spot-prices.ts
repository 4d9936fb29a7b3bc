/** What spot machines cost at this moment, by type and zone ("DescribeSpotPriceHistory": the same start and end time). */
import { DescribeSpotPriceHistoryCommand, type EC2Client } from '@aws-sdk/client-ec2';

export interface SpotPrice {
  readonly instanceType: string;
  readonly zone: string;
  readonly hourlyPriceUsd: number;
}

export async function readSpotPrices(
  client: EC2Client,
  zones: readonly string[],
  now: Date,
): Promise<readonly SpotPrice[]> {
  const prices = new Map<string, SpotPrice & { readonly since: number }>();
  let NextToken: string | undefined;
  do {
    const answer = await client.send(
      new DescribeSpotPriceHistoryCommand({
        StartTime: now,
        EndTime: now,
        ProductDescriptions: ['Linux/UNIX'],
        Filters: [{ Name: 'availability-zone', Values: [...zones] }],
        MaxResults: 1_000,
        NextToken,
      }),
    );
    for (const { InstanceType, AvailabilityZone, SpotPrice, Timestamp } of answer.SpotPriceHistory ?? []) {
      const hourlyPriceUsd = Number(SpotPrice);
      if (!InstanceType || !AvailabilityZone || !(hourlyPriceUsd > 0)) continue;
      const pool = `${InstanceType}/${AvailabilityZone}`;
      const since = Timestamp?.getTime() ?? 0;
      // A price that has just changed comes twice.
      if ((prices.get(pool)?.since ?? -1) >= since) continue;
      prices.set(pool, { instanceType: InstanceType, zone: AvailabilityZone, hourlyPriceUsd, since });
    }
    NextToken = answer.NextToken;
  } while (NextToken);
  return [...prices.values()].map(({ since: _, ...price }) => price);
}
