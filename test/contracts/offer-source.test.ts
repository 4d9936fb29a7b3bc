import { describe, expect, it } from 'vitest';
import { CatalogueOfferSource } from '../../adapters/catalogue/catalogue-offer-source.ts';
import { offerFactory } from '../factories/offer.ts';
import { InMemoryOfferSource } from '../fakes/in-memory-offer-source.ts';
import { describeOfferSourceContract } from './offer-source.ts';

describeOfferSourceContract(
  'in memory',
  async () => new InMemoryOfferSource([offerFactory(), offerFactory({ market: 'on-demand', hourlyPriceUsd: 0.041 })]),
);
describeOfferSourceContract('the shipped catalogue', async () => new CatalogueOfferSource());

describe('the shipped catalogue', () => {
  it('includes a public address and the root disk in every price', async () => {
    const { offers } = await new CatalogueOfferSource().list();

    const medium = offers.find((offer) => offer.instanceType === 'c7g.medium' && offer.market === 'on-demand');
    expect(medium?.hourlyPriceUsd).toBeCloseTo(0.0363 + 0.005 + (8 * 0.08) / 730, 6);
  });

  it('has both architectures, and no type twice', async () => {
    const { offers } = await new CatalogueOfferSource().list();
    const spot = offers.filter((offer) => offer.market === 'spot');

    expect(spot.length).toBeGreaterThanOrEqual(60);
    expect(new Set(spot.map((offer) => offer.architecture))).toEqual(new Set(['arm64', 'x86_64']));
    expect(spot.filter((offer) => /^t\d/.test(offer.instanceType))).toEqual([]);
  });
});
