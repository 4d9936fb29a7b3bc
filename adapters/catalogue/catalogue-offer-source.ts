/** The prices that come with the package: old, but there without an account or a network, and they say how old they are. */
import { DISK_GIB_USD_PER_HOUR } from '../../core/choose-instances.ts';
import { MARKETS, type Market, type Offer } from '../../core/offer.ts';
import type { OfferList, OfferSource } from '../../core/ports.ts';
import { AWS_INSTANCE_TYPES, ON_DEMAND_OBSERVED_AT, SPOT_OBSERVED_AT } from './aws-instance-types.ts';

/** Of one public IPv4 address (Amazon VPC pricing, since February 2024). */
const PUBLIC_ADDRESS_USD_PER_HOUR = 0.005;
/** What Amazon Linux itself takes, with room to install what it lacks: the disk of every machine, whatever its tasks need. */
export const ROOT_DISK_GIB = 8;
/** What a machine costs whatever its type is. */
export const FIXED_USD_PER_HOUR = PUBLIC_ADDRESS_USD_PER_HOUR + ROOT_DISK_GIB * DISK_GIB_USD_PER_HOUR;

const OBSERVED_AT: Readonly<Record<Market, string>> = { spot: SPOT_OBSERVED_AT, 'on-demand': ON_DEMAND_OBSERVED_AT };

function offersOf([instanceType, architecture, vcpus, memoryGiB, onDemand, spot]: (typeof AWS_INSTANCE_TYPES)[number]) {
  return MARKETS.map(
    (market): Offer => ({
      provider: 'aws',
      region: 'us-east-1',
      zone: null,
      instanceType,
      architecture,
      vcpus,
      memoryMiB: memoryGiB * 1_024,
      diskGiB: ROOT_DISK_GIB,
      gpus: null,
      market,
      hourlyPriceUsd: (market === 'spot' ? spot : onDemand) + FIXED_USD_PER_HOUR,
      interruptionsPerHour: market === 'spot' ? null : 0,
      capacityScore: null,
      observedAt: OBSERVED_AT[market],
    }),
  );
}

export class CatalogueOfferSource implements OfferSource {
  async list(): Promise<OfferList> {
    return {
      offers: AWS_INSTANCE_TYPES.flatMap(offersOf),
      observedAt: ON_DEMAND_OBSERVED_AT,
      source: 'the shipped catalogue: EC2 prices of us-east-1, July and August 2026',
    };
  }
}
