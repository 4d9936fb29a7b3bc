import type { Offer } from '../../core/offer.ts';
import { START } from './manual-clock.ts';

/** One small arm64 spot machine. */
export const offerFactory = (overrides: Partial<Offer> = {}): Offer => ({
  provider: 'aws',
  region: 'us-east-1',
  zone: 'us-east-1a',
  instanceType: 'c7g.medium',
  architecture: 'arm64',
  vcpus: 1,
  memoryMiB: 2_048,
  diskGiB: 8,
  gpus: null,
  market: 'spot',
  hourlyPriceUsd: 0.012,
  interruptionsPerHour: 0.01,
  capacityScore: null,
  observedAt: START,
  ...overrides,
});
