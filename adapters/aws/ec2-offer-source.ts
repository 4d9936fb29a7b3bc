/**
 * What EC2 rents out in the zones that we launch into, and for how much.
 *
 * Types, on-demand prices and placement scores hardly change: they are read once a day, by whoever is first, and kept in
 * the bucket, since reading them takes some twenty calls. Spot prices are read every ten minutes by each process that asks.
 * What cannot be read is taken from before, on-demand prices in the end from the shipped catalogue; all of it says how old
 * it is.
 */
import type { EC2Client } from '@aws-sdk/client-ec2';
import type { PricingClient } from '@aws-sdk/client-pricing';
import { z } from 'zod';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { Market, Offer } from '../../core/offer.ts';
import type { BlobStore, Clock, OfferList, OfferSource } from '../../core/ports.ts';
import { AWS_INSTANCE_TYPES, ON_DEMAND_OBSERVED_AT } from '../catalogue/aws-instance-types.ts';
import { FIXED_USD_PER_HOUR, ROOT_DISK_GIB } from '../catalogue/catalogue-offer-source.ts';
import { keepOffers, readJson } from '../kept-offers.ts';
import { type InstanceType, instanceTypeSchema, readInstanceTypes } from './ec2-instance-types.ts';
import { readOnDemandPrices } from './ec2-on-demand-prices.ts';
import { readPlacementScores } from './ec2-placement-scores.ts';
import { readSpotPrices, type SpotPrice } from './ec2-spot-prices.ts';
import { readSubnets } from './ec2-subnets.ts';

const FACTS_SECONDS = 24 * 3_600;
const SPOT_SECONDS = 600;

const factsSchema = z.object({
  readAt: z.iso.datetime(),
  zones: z.array(z.string()),
  types: z.array(instanceTypeSchema),
  onDemand: z.record(z.string(), z.number().positive()),
  onDemandAt: z.iso.datetime(),
  scores: z.record(z.string(), z.int()),
});
type Facts = z.infer<typeof factsSchema>;

interface SpotPrices {
  readonly prices: readonly SpotPrice[];
  readonly readAt: string;
}

export interface Ec2OfferSourceOptions {
  readonly ec2: EC2Client;
  readonly pricing: PricingClient;
  readonly blobs: Pick<BlobStore, 'get' | 'put'>;
  readonly region: string;
  readonly subnetIds: readonly string[];
  readonly clock: Clock;
}

export class Ec2OfferSource implements OfferSource {
  readonly #options: Ec2OfferSourceOptions;
  #facts: Facts | undefined;
  #spot: SpotPrices | undefined;
  #list: OfferList | undefined;
  #reading: Promise<OfferList> | undefined;

  constructor(options: Ec2OfferSourceOptions) {
    this.#options = options;
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
    const spot = await this.#readSpot(facts.zones);
    if (this.#list && facts === this.#facts && spot === this.#spot) return this.#list;
    [this.#facts, this.#spot] = [facts, spot];
    this.#list = offerList(facts, spot, this.#options.region);
    // For those who only want to know; who launches must not fail for them.
    await keepOffers(this.#options.blobs, this.#list).catch(() => undefined);
    return this.#list;
  }

  async #readFacts(): Promise<Facts> {
    const { blobs, region, clock } = this.#options;
    const fresh = (facts: Facts | undefined): facts is Facts =>
      facts !== undefined && clock.now().getTime() - Date.parse(facts.readAt) < FACTS_SECONDS * 1_000;
    if (fresh(this.#facts)) return this.#facts;
    const key = `cache/ec2-offers-${region}.json`;
    const kept = await this.#keptFacts(key);
    if (fresh(kept)) return kept;
    try {
      const facts = await this.#askFacts();
      // It spares the next process twenty calls, nothing more.
      await blobs.put(key, JSON.stringify(facts), 'application/json').catch(() => undefined);
      return facts;
    } catch (error) {
      const known = kept ?? this.#facts;
      if (known) return known;
      if (error instanceof PermanentError) throw error;
      throw new TransientError('what EC2 rents out could not be read', { cause: error });
    }
  }

  async #keptFacts(key: string): Promise<Facts | undefined> {
    const parsed = factsSchema.safeParse(await readJson(this.#options.blobs, key));
    return parsed.success ? parsed.data : undefined;
  }

  async #askFacts(): Promise<Facts> {
    const { ec2, pricing, region, subnetIds, clock } = this.#options;
    const readAt = clock.now().toISOString();
    const [subnets, types, onDemand, scores] = await Promise.all([
      readSubnets(ec2, subnetIds),
      readInstanceTypes(ec2),
      readOnDemandPrices(pricing, region).catch(() => undefined),
      readPlacementScores(ec2, region).catch(() => new Map<string, number>()),
    ]);
    return {
      readAt,
      zones: [...new Set(subnets.map((subnet) => subnet.zone))],
      types: [...types],
      onDemand: onDemand?.size ? Object.fromEntries(onDemand) : cataloguePrices(),
      onDemandAt: onDemand?.size ? readAt : ON_DEMAND_OBSERVED_AT,
      scores: Object.fromEntries(scores),
    };
  }

  async #readSpot(zones: readonly string[]): Promise<SpotPrices> {
    const { ec2, clock } = this.#options;
    const now = clock.now();
    if (this.#spot && now.getTime() - Date.parse(this.#spot.readAt) < SPOT_SECONDS * 1_000) return this.#spot;
    try {
      return { prices: await readSpotPrices(ec2, zones, now), readAt: now.toISOString() };
    } catch (error) {
      if (this.#spot) return this.#spot;
      throw new TransientError('spot prices could not be read', { cause: error });
    }
  }
}

const cataloguePrices = (): Record<string, number> =>
  Object.fromEntries(AWS_INSTANCE_TYPES.map(([instanceType, , , , onDemand]) => [instanceType, onDemand]));

function offerList(facts: Facts, spot: SpotPrices, region: string): OfferList {
  const offer = (type: InstanceType, market: Market, zone: string | null, priceUsd: number): Offer => ({
    provider: 'aws',
    region,
    zone,
    ...type,
    diskGiB: ROOT_DISK_GIB,
    market,
    hourlyPriceUsd: priceUsd + FIXED_USD_PER_HOUR,
    interruptionsPerHour: market === 'spot' ? null : 0,
    capacityScore: market === 'spot' && zone ? (facts.scores[zone] ?? null) : null,
    observedAt: market === 'spot' ? spot.readAt : facts.onDemandAt,
  });
  const types = new Map(facts.types.map((type) => [type.instanceType, type]));
  const spotOffers = spot.prices.flatMap(({ instanceType, zone, hourlyPriceUsd }) => {
    const type = types.get(instanceType);
    return type ? [offer(type, 'spot', zone, hourlyPriceUsd)] : [];
  });
  const onDemandOffers = facts.types.flatMap((type) => {
    const price = facts.onDemand[type.instanceType];
    return price ? [offer(type, 'on-demand', null, price)] : [];
  });
  const offers = [...spotOffers, ...onDemandOffers];
  return {
    offers,
    observedAt: offers.map((each) => each.observedAt).sort()[0] ?? spot.readAt,
    source: `EC2 in ${region}: spot prices of ${spot.readAt}, on-demand prices of ${facts.onDemandAt}`,
  };
}
