import type { Choice } from '../../core/choose-instances.ts';
import type { Offer } from '../../core/offer.ts';
import { offerFactory } from './offer.ts';

export function choiceFactory(overrides: Partial<Offer> = {}): Choice {
  const offer = offerFactory(overrides);
  const { hourlyPriceUsd, vcpus: slots } = offer;
  return { offer, slots, diskGiB: offer.diskGiB + 5 * slots, hourlyPriceUsd, usdPerTask: hourlyPriceUsd, reason: '' };
}
