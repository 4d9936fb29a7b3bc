import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseInstances, type MachineRequirements, type Workload } from '../../core/choose-instances.ts';
import { fleetSchema } from '../../core/fleet.ts';
import type { Offer } from '../../core/offer.ts';
import { CatalogueOfferSource } from './catalogue-offer-source.ts';

const needs = fleetSchema.parse({ provider: 'aws' });
const workload: Workload = { slotsWanted: 100, secondsPerTask: 60, workSeconds: 900, bootSeconds: 60, idleSeconds: 60 };
const choose = (offers: readonly Offer[], requirements: Partial<MachineRequirements>, over: Partial<Workload>) =>
  chooseInstances({ ...needs, ...requirements }, { ...workload, ...over }, offers);

describe('every offer of the shipped catalogue', () => {
  it('comes back once, ranked or refused, the ranked ones in order', async () => {
    const { offers } = await new CatalogueOfferSource().list();
    const anyNeeds = fc.record({
      slot: fc.record({
        vcpu: fc.double({ min: 0.25, max: 70, noNaN: true }),
        memoryMiB: fc.integer({ min: 1, max: 200_000 }),
        diskGiB: fc.integer({ min: 1, max: 1_000 }),
      }),
      market: fc.constantFrom('spot' as const, 'on-demand' as const, 'spot-then-on-demand' as const),
      maxHourlyPriceUsd: fc.double({ min: 0.001, max: 5, noNaN: true }),
    });
    fc.assert(
      fc.property(anyNeeds, fc.nat(500), fc.integer({ min: 1, max: 40_000 }), (any, slotsWanted, secondsPerTask) => {
        const { choices, refused } = choose(offers, any, { slotsWanted, secondsPerTask });

        expect(choices.length + refused.length).toBe(offers.length);
        for (const [index, choice] of choices.entries()) {
          expect(choice.slots).toBeGreaterThanOrEqual(1);
          expect(choice.hourlyPriceUsd).toBeLessThanOrEqual(any.maxHourlyPriceUsd);
          expect(choice.usdPerTask).toBeGreaterThanOrEqual(choices[index - 1]?.usdPerTask ?? 0);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('is judged by what a task costs: a larger machine may be the cheaper one, as c6g.16xlarge is', async () => {
    const { offers } = await new CatalogueOfferSource().list();

    const { choices } = choose(offers, { maxHourlyPriceUsd: 1 }, { slotsWanted: 640 });

    expect(choices[0]?.offer.instanceType).toBe('c6g.16xlarge');
    expect(choose(offers, {}, { slotsWanted: 640 }).choices[0]?.offer.instanceType).toMatch(/\.medium$/);
  });
});
