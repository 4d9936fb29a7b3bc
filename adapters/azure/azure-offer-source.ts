/**
 * What Azure rents out in a region, and for how much: sizes from ARM, prices from the public list.
 *
 * Neither changes often: both are read every six hours, by whoever is first, and kept in the bucket, since the list has some
 * forty pages. What cannot be read is taken from before, prices in the end from the shipped catalogue; all of it says how
 * old it is.
 */
import { z } from 'zod';
import type { AzureCloud } from '../../core/clouds.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { MARKETS, type Offer } from '../../core/offer.ts';
import type { BlobStore, Clock, OfferList, OfferSource } from '../../core/ports.ts';
import {
  AZURE_CATALOGUE,
  AZURE_FIXED_USD_PER_HOUR,
  AZURE_ROOT_DISK_GIB,
} from '../catalogue/azure-catalogue-offer-source.ts';
import { AZURE_OBSERVED_AT, AZURE_SIZES } from '../catalogue/azure-sizes.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { keepOffers, readJson } from '../kept-offers.ts';
import { ArmClient } from './arm-client.ts';
import { readRetailPrices, retailPriceSchema } from './azure-retail-prices.ts';
import { azureSizeSchema, readSizes } from './azure-sizes.ts';

const READ_EVERY_SECONDS = 6 * 3_600;
/** What could not be read is tried again so much later: others wait for the answer. */
const RETRY_SECONDS = 600;

const factsSchema = z.object({
  readAt: z.iso.datetime(),
  sizes: z.array(azureSizeSchema),
  prices: z.array(retailPriceSchema),
});
type Facts = z.infer<typeof factsSchema>;

export interface AzureOfferSourceOptions {
  readonly cloud: AzureCloud;
  /** For `https://management.azure.com`; `null`: an emulator, which wants none. */
  readonly token: AccessToken | null;
  readonly blobs: Pick<BlobStore, 'get' | 'put'>;
  readonly clock: Clock;
}

export class AzureOfferSource implements OfferSource {
  readonly #options: AzureOfferSourceOptions;
  readonly #arm: ArmClient;
  #facts: Facts | undefined;
  #list: OfferList | undefined;
  #reading: Promise<OfferList> | undefined;
  #retryAt = 0;

  constructor(options: AzureOfferSourceOptions) {
    this.#options = options;
    this.#arm = new ArmClient(options);
  }

  /** Thirty fleets ask at once, and one answer serves them all. */
  list(): Promise<OfferList> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<OfferList> {
    const facts = await this.#readFacts();
    if (this.#list && facts === this.#facts) return this.#list;
    this.#facts = facts;
    this.#list = offerList(facts, this.#options.cloud.region);
    // For those who only want to know; who launches must not fail for them.
    await keepOffers(this.#options.blobs, this.#list, 'azure').catch(() => undefined);
    return this.#list;
  }

  async #readFacts(): Promise<Facts> {
    const { blobs, cloud } = this.#options;
    if (this.#facts && (this.#isFresh(this.#facts) || this.#now() < this.#retryAt)) return this.#facts;
    const key = `cache/azure-offers-${cloud.region}.json`;
    const kept = factsSchema.safeParse(await readJson(blobs, key)).data;
    if (kept && this.#isFresh(kept)) return kept;
    try {
      const facts = await this.#askFacts();
      // It spares the next process forty calls, nothing more.
      await blobs.put(key, JSON.stringify(facts), 'application/json').catch(() => undefined);
      return facts;
    } catch (error) {
      this.#retryAt = this.#now() + RETRY_SECONDS * 1_000;
      const known = this.#facts ?? kept;
      if (known) return known;
      return await this.#factsOfCatalogue(error);
    }
  }

  /** Prices may be old; what there is to rent must be known. */
  async #factsOfCatalogue(cause: unknown): Promise<Facts> {
    const sizes = await readSizes(this.#arm, this.#options.cloud.region).catch((error: unknown) => {
      if (error instanceof PermanentError) throw error;
      throw new TransientError('what Azure rents out could not be read', { cause });
    });
    return { readAt: AZURE_OBSERVED_AT, sizes: [...sizes], prices: CATALOGUE_PRICES };
  }

  async #askFacts(): Promise<Facts> {
    const { region, endpoints } = this.#options.cloud;
    const readAt = new Date(this.#now()).toISOString();
    const [sizes, prices] = await Promise.all([
      readSizes(this.#arm, region),
      readRetailPrices(region, endpoints.prices),
    ]);
    return { readAt, sizes: [...sizes], prices: [...prices] };
  }

  #isFresh(facts: Facts): boolean {
    return this.#now() - Date.parse(facts.readAt) < READ_EVERY_SECONDS * 1_000;
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }
}

/** A spot machine costs what it costs at most. */
const CATALOGUE_PRICES = AZURE_SIZES.flatMap(({ instanceType, onDemandUsdPerHour: hourlyPriceUsd }) =>
  MARKETS.map((market) => ({ instanceType, market, hourlyPriceUsd })),
);

function offerList({ readAt, sizes, prices }: Facts, region: string): OfferList {
  const bySize = new Map(sizes.map((size) => [size.instanceType, size]));
  const offers = prices.flatMap(({ instanceType, market, hourlyPriceUsd }): Offer[] => {
    const size = bySize.get(instanceType);
    if (!size || (market === 'spot' && !size.spot)) return [];
    const { spot: _, ...facts } = size;
    return [
      {
        provider: 'azure',
        region,
        zone: null,
        ...facts,
        diskGiB: AZURE_ROOT_DISK_GIB,
        market,
        hourlyPriceUsd: hourlyPriceUsd + AZURE_FIXED_USD_PER_HOUR,
        interruptionsPerHour: market === 'spot' ? null : 0,
        capacityScore: null,
        observedAt: readAt,
      },
    ];
  });
  const told = readAt === AZURE_OBSERVED_AT ? AZURE_CATALOGUE : `retail prices of ${readAt}`;
  return { offers, observedAt: readAt, source: `Azure in ${region}: ${told}` };
}
