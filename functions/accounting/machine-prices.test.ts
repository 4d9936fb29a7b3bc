import { describe, expect, it } from 'vitest';
import type { Instance } from '../../core/instance.ts';
import type { FleetStore } from '../../core/ports.ts';
import { instanceFactory } from '../../test/factories/instance.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { InMemoryFleetStore } from '../../test/fakes/in-memory-fleet-store.ts';
import { MachinePrices } from './machine-prices.ts';

const FLEET = 'default';

async function prepare(...instances: Instance[]) {
  const store = new InMemoryFleetStore();
  await store.addInstances(instances);
  const asked: string[] = [];
  const fleets: Pick<FleetStore, 'find'> = {
    find: (fleet, instanceId) => {
      asked.push(instanceId);
      return store.find(fleet, instanceId);
    },
  };
  return { store, asked, prices: new MachinePrices(fleets) };
}

describe('the price of a slot', () => {
  it('is its share of the machine, a second', async () => {
    const { prices } = await prepare(instanceFactory({ hourlyPriceUsd: 0.36, slots: 4 }));

    const usdPerSecond = await prices.of([FLEET], new Set(['i-1']));

    expect(usdPerSecond('i-1')).toBeCloseTo(0.36 / 4 / 3_600, 12);
  });

  it('is found on whichever fleet of the job the machine is', async () => {
    const { prices } = await prepare(instanceFactory({ fleet: 'other', hourlyPriceUsd: 3.6 }));

    const usdPerSecond = await prices.of([FLEET, 'other'], new Set(['i-1']));

    expect(usdPerSecond('i-1')).toBeCloseTo(0.001, 12);
  });

  it('is not known of a machine that nobody recorded, of none, and of one that costs nothing', async () => {
    const { prices } = await prepare(instanceFactory({ hourlyPriceUsd: 0 }));

    const usdPerSecond = await prices.of([FLEET], new Set(['i-1', 'i-9']));

    expect(['i-1', 'i-9', null].map(usdPerSecond)).toEqual([null, null, null]);
  });

  it('is looked up once a machine, also after that has ended', async () => {
    const { prices, asked, store } = await prepare(instanceFactory({ hourlyPriceUsd: 0.36 }));
    await prices.of([FLEET], new Set(['i-1']));
    await store.updateInstance(FLEET, 'i-1', { state: 'TERMINATED', reason: null, at: at(60) });

    const usdPerSecond = await prices.of([FLEET], new Set(['i-1']));

    expect(usdPerSecond('i-1')).not.toBeNull();
    expect(asked).toEqual(['i-1']);
  });

  it('is looked up again where the machine reported before its launch was recorded', async () => {
    const { prices, store } = await prepare();
    await store.updateInstance(FLEET, 'i-1', { state: 'READY', reason: null, at: at(5) });
    const before = (await prices.of([FLEET], new Set(['i-1'])))('i-1');
    await store.addInstances([instanceFactory({ hourlyPriceUsd: 0.36 })]);

    const after = (await prices.of([FLEET], new Set(['i-1'])))('i-1');

    expect(before).toBeNull();
    expect(after).not.toBeNull();
  });
});
