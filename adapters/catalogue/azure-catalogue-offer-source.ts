/** The prices of Azure that come with the package: old, but there without an account or a network, and they say how old they are. */
import { MARKETS, type Offer } from '../../core/offer.ts';
import type { OfferList, OfferSource } from '../../core/ports.ts';
import { AZURE_OBSERVED_AT, AZURE_SIZES } from './azure-sizes.ts';

/** Of one static public IPv4 address ("IP Addresses pricing"). */
const PUBLIC_ADDRESS_USD_PER_HOUR = 0.005;
/** What the images take, with room to install what they lack. Disks are billed by steps: this one is the E4 ("Managed Disks pricing"). */
export const AZURE_ROOT_DISK_GIB = 32;
const ROOT_DISK_USD_PER_MONTH = 2.4;
/** What a machine costs whatever its size is. */
export const AZURE_FIXED_USD_PER_HOUR = PUBLIC_ADDRESS_USD_PER_HOUR + ROOT_DISK_USD_PER_MONTH / 730;

/** What it is, in words for people. */
export const AZURE_CATALOGUE =
  'the shipped catalogue: pay-as-you-go prices of eastus, December 2023, which spot machines cost at most';

export class AzureCatalogueOfferSource implements OfferSource {
  async list(): Promise<OfferList> {
    return {
      offers: AZURE_SIZES.flatMap(({ onDemandUsdPerHour, ...size }) =>
        MARKETS.map(
          (market): Offer => ({
            provider: 'azure',
            region: 'eastus',
            zone: null,
            ...size,
            diskGiB: AZURE_ROOT_DISK_GIB,
            gpus: null,
            market,
            hourlyPriceUsd: onDemandUsdPerHour + AZURE_FIXED_USD_PER_HOUR,
            interruptionsPerHour: market === 'spot' ? null : 0,
            capacityScore: null,
            observedAt: AZURE_OBSERVED_AT,
          }),
        ),
      ),
      observedAt: AZURE_OBSERVED_AT,
      source: AZURE_CATALOGUE,
    };
  }
}
