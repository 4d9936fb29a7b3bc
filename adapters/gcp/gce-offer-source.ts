/**
 * What Compute Engine rents out in a region, and for how much: types from its own API, prices from the catalog of Cloud
 * Billing.
 *
 * Spot prices change once in 30 days at most ("Spot VMs pricing"): all of it is read once a day, by whoever is first, and
 * kept in the bucket. What cannot be read is taken from before, prices in the end from the shipped catalogue; all of it says
 * how old it is.
 */
import { z } from 'zod';
import type { GcpCloud } from '../../core/clouds.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { MARKETS, type Market, type Offer } from '../../core/offer.ts';
import type { BlobStore, Clock, OfferList, OfferSource } from '../../core/ports.ts';
import { GCE_OBSERVED_AT, GCE_TYPES } from '../catalogue/gce-types.ts';
import { GCP_ROOT_DISK_GIB, gcpFixedUsdPerHour } from '../catalogue/gcp-catalogue-offer-source.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { keepOffers, readJson } from '../kept-offers.ts';
import { type MachineType, machineTypeSchema, readMachineTypes } from './gce-machine-types.ts';
import { type GcePrices, gcePricesSchema, readPrices } from './gce-prices.ts';
import { GoogleRest } from './google-rest.ts';

const READ_EVERY_SECONDS = 24 * 3_600;
/** What could not be read is tried again so much later: others wait for the answer. */
const RETRY_SECONDS = 600;

const factsSchema = z.object({
  readAt: z.iso.datetime(),
  types: z.array(machineTypeSchema),
  /** `null`: they could not be read, and are the catalogue's. */
  prices: gcePricesSchema.nullable(),
});
type Facts = z.infer<typeof factsSchema>;

export interface GceOfferSourceOptions {
  readonly cloud: GcpCloud;
  /** `null`: an emulator on this machine. */
  readonly token: AccessToken | null;
  readonly blobs: Pick<BlobStore, 'get' | 'put'>;
  readonly clock: Clock;
  /** How often a question is asked before there is no answer. */
  readonly tries?: number;
}

export class GceOfferSource implements OfferSource {
  readonly #options: GceOfferSourceOptions;
  readonly #rest: GoogleRest;
  #facts: Facts | undefined;
  #list: OfferList | undefined;
  #reading: Promise<OfferList> | undefined;
  #retryAt = 0;

  constructor(options: GceOfferSourceOptions) {
    this.#options = options;
    const { token, tries } = options;
    this.#rest = new GoogleRest({ token, ...(tries === undefined ? {} : { tries }) });
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
    await keepOffers(this.#options.blobs, this.#list, 'gcp').catch(() => undefined);
    return this.#list;
  }

  async #readFacts(): Promise<Facts> {
    const { blobs, cloud } = this.#options;
    if (this.#facts && (this.#isFresh(this.#facts) || this.#now() < this.#retryAt)) return this.#facts;
    const key = `cache/gce-offers-${cloud.region}.json`;
    const kept = factsSchema.safeParse(await readJson(blobs, key)).data;
    if (kept && this.#isFresh(kept)) return kept;
    const known = this.#facts ?? kept;
    try {
      const facts = await this.#askFacts(known);
      // It spares the next process a dozen calls, nothing more.
      if (facts.prices) await blobs.put(key, JSON.stringify(facts), 'application/json').catch(() => undefined);
      return facts;
    } catch (error) {
      this.#retryAt = this.#now() + RETRY_SECONDS * 1_000;
      if (known) return known;
      if (error instanceof PermanentError) throw error;
      throw new TransientError('what Compute Engine rents out could not be read', { cause: error });
    }
  }

  /** @param known what prices of before there are: better than those of the catalogue */
  async #askFacts(known: Facts | undefined): Promise<Facts> {
    const { cloud } = this.#options;
    const readAt = new Date(this.#now()).toISOString();
    const [types, prices] = await Promise.all([
      readMachineTypes(this.#rest, cloud),
      readPrices(this.#rest, cloud).catch((error: unknown) => {
        if (known?.prices) throw error;
        this.#retryAt = this.#now() + RETRY_SECONDS * 1_000;
        return null;
      }),
    ]);
    return { readAt, types: [...types], prices };
  }

  /** Prices of the catalogue do for a while, not for a day. */
  #isFresh({ readAt, prices }: Facts): boolean {
    return prices !== null && this.#now() - Date.parse(readAt) < READ_EVERY_SECONDS * 1_000;
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }
}

function offerList({ readAt, types, prices }: Facts, region: string): OfferList {
  const observedAt = prices ? readAt : GCE_OBSERVED_AT;
  const priceOf = prices ? priceBy(prices) : cataloguePrice;
  const offers = types.flatMap((type) =>
    MARKETS.flatMap((market): Offer[] => {
      const usd = priceOf(type, market);
      if (usd === undefined) return [];
      return [
        {
          provider: 'gcp',
          region,
          // Prices are those of a region, and a launch takes any of its zones.
          zone: null,
          ...type,
          diskGiB: GCP_ROOT_DISK_GIB,
          market,
          hourlyPriceUsd: usd + gcpFixedUsdPerHour(market),
          interruptionsPerHour: market === 'spot' ? null : 0,
          capacityScore: null,
          observedAt,
        },
      ];
    }),
  );
  return { offers, observedAt, source: `Compute Engine in ${region}: prices of ${observedAt}` };
}

type PriceOf = (type: MachineType, market: Market) => number | undefined;

/** Of the whole machine: its vCPUs, its memory, its GPUs. `undefined` where one of them has no price. */
const priceBy =
  ({ series, gpus }: GcePrices): PriceOf =>
  ({ instanceType, vcpus, memoryMiB, gpus: has }, market) => {
    const of = series[`${instanceType.slice(0, instanceType.indexOf('-'))}/${market}`];
    const gpuUsd = has ? gpus[`${has.model}/${market}`] : 0;
    if (!of || gpuUsd === undefined) return undefined;
    return vcpus * of.vcpuUsd + (memoryMiB / 1_024) * of.memoryGiBUsd + (has?.count ?? 0) * gpuUsd;
  };

const CATALOGUE = new Map(GCE_TYPES.map((type) => [type.instanceType, type]));
const cataloguePrice: PriceOf = ({ instanceType }, market) => {
  const type = CATALOGUE.get(instanceType);
  return market === 'spot' ? type?.spotUsdPerHour : type?.onDemandUsdPerHour;
};
