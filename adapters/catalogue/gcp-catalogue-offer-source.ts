/** The prices of Google Cloud that come with the package: old, but there without an account or a network, and they say how old they are. */
import { MARKETS, type Market, type Offer } from '../../core/offer.ts';
import type { OfferList, OfferSource } from '../../core/ports.ts';
import { GCE_OBSERVED_AT, GCE_TYPES } from './gce-types.ts';

/** Of an external IPv4 address in use, by a standard VM and by a Spot VM ("External IP address pricing"). */
const ADDRESS_USD_PER_HOUR: Readonly<Record<Market, number>> = { spot: 0.0025, 'on-demand': 0.005 };
/** What the images take ("Debian 12": 10 GB): the disk of every machine, whatever its tasks need. */
export const GCP_ROOT_DISK_GIB = 10;
/** Of a balanced persistent disk in us-central1 ("Disk and image pricing"); a balanced Hyperdisk costs less. */
const DISK_GIB_USD_PER_MONTH = 0.1;

/** What a machine costs whatever its type is. */
export const gcpFixedUsdPerHour = (market: Market): number =>
  ADDRESS_USD_PER_HOUR[market] + (GCP_ROOT_DISK_GIB * DISK_GIB_USD_PER_MONTH) / 730;

export class GcpCatalogueOfferSource implements OfferSource {
  async list(): Promise<OfferList> {
    return {
      offers: GCE_TYPES.flatMap(({ onDemandUsdPerHour, spotUsdPerHour, ...type }) =>
        MARKETS.map(
          (market): Offer => ({
            provider: 'gcp',
            region: 'us-central1',
            zone: null,
            ...type,
            diskGiB: GCP_ROOT_DISK_GIB,
            gpus: null,
            market,
            hourlyPriceUsd: (market === 'spot' ? spotUsdPerHour : onDemandUsdPerHour) + gcpFixedUsdPerHour(market),
            interruptionsPerHour: market === 'spot' ? null : 0,
            capacityScore: null,
            observedAt: GCE_OBSERVED_AT,
          }),
        ),
      ),
      observedAt: GCE_OBSERVED_AT,
      source: 'the shipped catalogue: Compute Engine prices of us-central1, November 2025',
    };
  }
}
