/**
 * A cloud made of pools: a machine type in a zone, with a spot price that wanders by the hour, times when it is sold out,
 * and reclaims that take many of its machines within minutes of each other (in public data over 92 % of the interruptions
 * in one pool fall within three minutes). All of it follows from the seed alone, so that every policy meets the same.
 */
import { type Offer, poolOf } from '../../core/offer.ts';
import { type Random, randomOf } from './random.ts';

const HOUR = 3_600;
const ZONES = ['a', 'b', 'c'];

/** What the simulated cloud is like; where the figures come from is told in docs/reference/fleet-economy.md. */
export const CLOUD = {
  bootMedianSeconds: 45,
  bootSigma: 0.35,
  /** No boot is shorter than this share of the median, none longer than three times it. */
  shortestBootShare: 0.5,
  longestBootShare: 3,
  /** Of the logarithm of a spot price, around its usual value. */
  priceSigma: 0.04,
  priceMemory: 0.97,
  soldOutMeanHours: 1,
  obtainableMeanHours: 15,
  /** Reclaims of a pool in an hour lie between these; one takes most of its machines. */
  leastReclaimsPerHour: 0.01,
  mostReclaimsPerHour: 0.2,
  reclaimedShare: 0.8,
  reclaimWithinSeconds: 180,
  /** Shortest time that a machine is paid for (EC2). */
  billedSeconds: 60,
} as const;

export class Pool {
  readonly offer: Offer;
  readonly name: string;
  readonly #seed: number;
  readonly #prices: number[] = [];
  readonly #priceRandom: Random;
  #priceState: number;
  readonly #soldOut: { from: number; to: number }[] = [];
  readonly #soldOutRandom: Random;
  readonly #reclaims: number[] = [0];
  readonly #reclaimRandom: Random;

  constructor(offer: Offer, seed: number) {
    this.name = poolOf(offer);
    this.#seed = seed;
    const once = randomOf(seed, `${this.name}/rate`);
    const spread = Math.log(CLOUD.mostReclaimsPerHour / CLOUD.leastReclaimsPerHour);
    const interruptionsPerHour = CLOUD.leastReclaimsPerHour * Math.exp(once.uniform() * spread);
    this.offer = { ...offer, interruptionsPerHour };
    this.#priceRandom = randomOf(seed, `${this.name}/price`);
    this.#priceState = this.#priceRandom.normal() * CLOUD.priceSigma;
    this.#soldOutRandom = randomOf(seed, `${this.name}/sold-out`);
    this.#reclaimRandom = randomOf(seed, `${this.name}/reclaims`);
  }

  /** An hour of the machine, at that moment; it changes with the full hour. */
  hourlyPriceUsd(at: number): number {
    const hour = Math.floor(at / HOUR);
    while (this.#prices.length <= hour) {
      this.#prices.push(this.offer.hourlyPriceUsd * Math.exp(this.#priceState));
      const step = CLOUD.priceSigma * Math.sqrt(1 - CLOUD.priceMemory ** 2);
      this.#priceState = CLOUD.priceMemory * this.#priceState + step * this.#priceRandom.normal();
    }
    return this.#prices[hour] ?? this.offer.hourlyPriceUsd;
  }

  /** What a machine costs that lives so long. */
  costUsd(from: number, to: number): number {
    const until = Math.max(to, from + CLOUD.billedSeconds);
    let usd = 0;
    for (let at = from; at < until; ) {
      const next = Math.min(until, (Math.floor(at / HOUR) + 1) * HOUR);
      usd += (this.hourlyPriceUsd(at) * (next - at)) / HOUR;
      at = next;
    }
    return usd;
  }

  isSoldOut(at: number): boolean {
    for (let last = this.#soldOut.at(-1); !last || last.to <= at; last = this.#soldOut.at(-1)) {
      const from = (last?.to ?? 0) + this.#soldOutRandom.exponential(CLOUD.obtainableMeanHours * HOUR);
      this.#soldOut.push({ from, to: from + this.#soldOutRandom.exponential(CLOUD.soldOutMeanHours * HOUR) });
    }
    return this.#soldOut.some(({ from, to }) => from <= at && at < to);
  }

  /** When the provider next takes machines of this pool back. */
  nextReclaim(after: number): number {
    for (let last = this.#reclaims.at(-1) ?? 0; last <= after; last = this.#reclaims.at(-1) ?? 0) {
      const meanSeconds = (HOUR * CLOUD.reclaimedShare) / (this.offer.interruptionsPerHour ?? 1);
      this.#reclaims.push(last + this.#reclaimRandom.exponential(meanSeconds));
    }
    return this.#reclaims.find((at) => at > after) ?? Number.POSITIVE_INFINITY;
  }

  /** How long after the reclaim a machine of the pool gets its notice; `null`: it is spared. */
  reclaimDelay(machine: number, reclaimAt: number): number | null {
    const random = randomOf(this.#seed, `${this.name}/${machine}/${Math.round(reclaimAt)}`);
    return random.uniform() < CLOUD.reclaimedShare ? random.uniform() * CLOUD.reclaimWithinSeconds : null;
  }
}

/** @param offers of a whole region; each becomes a pool in each zone, a little dearer in one than in the other */
export function poolsOf(offers: readonly Offer[], seed: number): Pool[] {
  return offers.flatMap((offer) =>
    ZONES.map((zone) => {
      const factor = Math.exp(0.05 * randomOf(seed, `${offer.instanceType}/${zone}`).normal());
      return new Pool(
        { ...offer, zone: `${offer.region}${zone}`, hourlyPriceUsd: offer.hourlyPriceUsd * factor },
        seed,
      );
    }),
  );
}

/** What the n-th boot of a run takes. */
export function bootSeconds(seed: number, machine: number): number {
  const share = randomOf(seed, `boot/${machine}`).logNormal(1, CLOUD.bootSigma);
  return CLOUD.bootMedianSeconds * Math.min(CLOUD.longestBootShare, Math.max(CLOUD.shortestBootShare, share));
}
