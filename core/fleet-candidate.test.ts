import { describe, expect, it } from 'vitest';
import { offerFactory } from '../test/factories/offer.ts';
import { type Fleet, fleetSchema } from './fleet.ts';
import { candidateOf, type FleetKnowledge } from './fleet-candidate.ts';
import { type Offer, poolOf } from './offer.ts';

const fleetOf = (overrides: object = {}): Fleet => ({
  name: 'f',
  ...fleetSchema.parse({ provider: 'aws', ...overrides }),
});
const work = { tasks: 100, secondsPerTask: 60, resources: null };
const offer = offerFactory({ vcpus: 4, memoryMiB: 8_192 });
const candidate = (fleet: Fleet, offers: readonly Offer[] | null, knowledge: Partial<FleetKnowledge> = {}, over = {}) =>
  candidateOf(fleet, { ...work, ...over }, offers, {
    soldOut: new Set(),
    trouble: null,
    bootSeconds: 60,
    instances: [],
    ...knowledge,
  });

describe('a fleet as a candidate', () => {
  it('has the price of its best machine, and as many tasks at once as that holds', () => {
    const found = candidate(fleetOf(), [offer]);

    expect(found).toMatchObject({ fleet: 'f', unavailable: null, tasksAtOnce: 4, egressUsdPerGb: 0, maxInstances: 10 });
    expect(found.usdPerTask).toBeGreaterThan(0);
    expect(found.reason).toContain(offer.instanceType);
  });

  it('pays twice for a task that takes two slots, and holds half as many', () => {
    const resources = { vcpu: 2, memoryMiB: 1_024, diskGiB: 5 };
    const [one, two] = [candidate(fleetOf(), [offer]), candidate(fleetOf(), [offer], {}, { resources })];

    expect(two.tasksAtOnce).toBe(2);
    expect(two.usdPerTask).toBeGreaterThan((one.usdPerTask ?? 0) * 1.5);
  });

  it('costs nothing where nothing is rented', () => {
    expect(candidate(fleetOf(), null)).toMatchObject({ usdPerTask: 0, unavailable: null });
    expect(candidate(fleetOf({ provider: 'external' }), [offer])).toMatchObject({ usdPerTask: 0 });
  });

  it('of machines of your own has what has joined it, or what may', () => {
    const own = fleetOf({ provider: 'external' });
    const machine = (state: 'READY' | 'TERMINATED', slots: number) => ({ state, slots });
    const joined = candidate(own, [offer], {
      instances: [machine('READY', 2), machine('READY', 6), machine('TERMINATED', 90)],
    });

    expect(joined).toMatchObject({ usdPerTask: 0, maxInstances: 2, tasksAtOnce: 4 });
    expect(joined.reason).toBe('2 machines of your own joined it, with 8 slots');
    expect(candidate(own, [offer], { instances: [machine('TERMINATED', 2)] })).toMatchObject({
      maxInstances: 10,
      reason: 'its machines are your own; none has joined it yet',
    });
  });

  it('has no price where none of its provider is known, and may be used all the same', () => {
    expect(candidate(fleetOf({ provider: 'gcp' }), [offer])).toMatchObject({
      usdPerTask: null,
      unavailable: null,
      reason: 'no prices of gcp are known',
      egressUsdPerGb: 0.09,
    });
  });

  it.each([
    ['everything is sold out', fleetOf(), { soldOut: new Set([poolOf(offer)]) }, 'sold out'],
    ['nothing fits', fleetOf({ maxHourlyPriceUsd: 0.0001 }), {}, 'above the limit'],
    ['it has trouble of its own', fleetOf(), { trouble: 'its machines do not boot' }, 'do not boot'],
  ])('is not available when %s', (_why, fleet, knowledge, told) => {
    expect(candidate(fleet, [offer], knowledge).unavailable).toContain(told);
  });
});
