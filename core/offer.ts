/** What a provider rents out: one machine type in one zone, bought in one way, at one price. */
import { z } from 'zod';

export const ARCHITECTURES = ['arm64', 'x86_64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

export const MARKETS = ['spot', 'on-demand'] as const;
export type Market = (typeof MARKETS)[number];

export const offerSchema = z.object({
  provider: z.string().min(1),
  region: z.string().min(1),
  /** `null`: the offer speaks of the whole region. */
  zone: z.string().min(1).nullable(),
  instanceType: z.string().min(1),
  architecture: z.enum(ARCHITECTURES),
  vcpus: z.number().positive(),
  memoryMiB: z.int().positive(),
  /** Of the disk that the machine would be launched with; its price is part of `hourlyPriceUsd`. */
  diskGiB: z.int().nonnegative(),
  gpus: z.object({ count: z.int().positive(), model: z.string().min(1) }).nullable(),
  market: z.enum(MARKETS),
  /** The machine with its disk and its public address: what an hour of it adds to the bill. */
  hourlyPriceUsd: z.number().nonnegative(),
  /** How often such a machine is taken back in an hour of running; `null` if nobody has said. */
  interruptionsPerHour: z.number().nonnegative().nullable(),
  /** How likely the provider thinks a launch is to succeed: 10 is best (EC2's placement score); `null` if unknown. */
  capacityScore: z.int().min(1).max(10).nullable(),
  /** When this price was true. */
  observedAt: z.iso.datetime(),
});
export type Offer = z.infer<typeof offerSchema>;

/** Offers of one pool are lost and sold out together: over 92 % of interruptions in one fall within three minutes. */
export const poolOf = (offer: Pick<Offer, 'instanceType' | 'zone' | 'market'>): string =>
  `${offer.instanceType}/${offer.zone ?? '*'}/${offer.market}`;
