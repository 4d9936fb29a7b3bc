import { describe, expect, it } from 'vitest';
import { offerSchema, poolOf } from '../../core/offer.ts';
import type { OfferSource } from '../../core/ports.ts';

/** @param setup a source that has offers of both markets */
export function describeOfferSourceContract(name: string, setup: () => Promise<OfferSource>): void {
  describe(`OfferSource: ${name}`, () => {
    it('lists offers that are whole, each with a price of its own pool', async () => {
      const { offers } = await (await setup()).list();

      expect(offers.length).toBeGreaterThan(0);
      for (const offer of offers) expect(offerSchema.parse(offer)).toEqual(offer);
      expect(new Set(offers.map((offer) => `${offer.region}/${poolOf(offer)}`)).size).toBe(offers.length);
    });

    it('has spot and on-demand offers, and a price above nothing for each', async () => {
      const { offers } = await (await setup()).list();

      expect(new Set(offers.map((offer) => offer.market))).toEqual(new Set(['spot', 'on-demand']));
      expect(offers.filter((offer) => !(offer.hourlyPriceUsd > 0))).toEqual([]);
    });

    it('says where its prices come from, and is as old as the oldest of them', async () => {
      const { offers, observedAt, source } = await (await setup()).list();

      expect(source).not.toBe('');
      expect(observedAt).toBe(offers.map((offer) => offer.observedAt).sort()[0]);
    });
  });
}
