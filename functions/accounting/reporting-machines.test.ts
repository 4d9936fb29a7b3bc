import { describe, expect, it } from 'vitest';
import type { Instance } from '../../core/instance.ts';
import { completedEvent } from '../../test/factories/events.ts';
import { instanceFactory } from '../../test/factories/instance.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { InMemoryFleetStore } from '../../test/fakes/in-memory-fleet-store.ts';
import { ReportingMachines } from './reporting-machines.ts';

const FLEET = 'default';

async function prepare(...instances: Instance[]) {
  const store = new InMemoryFleetStore();
  await store.addInstances(instances);
  const asked: (readonly string[])[] = [];
  const machines = new ReportingMachines({
    updateInstance: store.updateInstance.bind(store),
    findMany: (fleets, instanceIds) => {
      asked.push(instanceIds);
      return store.findMany(fleets, instanceIds);
    },
  });
  const stateOf = async (instanceId: string) => (await store.findMany([FLEET], [instanceId])).get(instanceId)?.state;
  return { store, asked, machines, stateOf };
}

describe('the price of a slot', () => {
  it('is its share of the machine, a second', async () => {
    const { machines } = await prepare(instanceFactory({ hourlyPriceUsd: 0.36, slots: 4 }));

    const usdPerSecond = await machines.slotPrices([FLEET], new Set(['i-1']));

    expect(usdPerSecond('i-1')).toBeCloseTo(0.36 / 4 / 3_600, 12);
  });

  it('is found on whichever fleet of the job the machine is', async () => {
    const { machines } = await prepare(instanceFactory({ fleet: 'other', hourlyPriceUsd: 3.6 }));

    const usdPerSecond = await machines.slotPrices([FLEET, 'other'], new Set(['i-1']));

    expect(usdPerSecond('i-1')).toBeCloseTo(0.001, 12);
  });

  it('is not known of a machine that nobody recorded, of none, and of one that costs nothing', async () => {
    const { machines } = await prepare(instanceFactory({ hourlyPriceUsd: 0 }));

    const usdPerSecond = await machines.slotPrices([FLEET], new Set(['i-1', 'i-9']));

    expect(['i-1', 'i-9', null].map(usdPerSecond)).toEqual([null, null, null]);
  });

  it('is looked up once a machine, also after that has ended', async () => {
    const { machines, asked, store } = await prepare(instanceFactory({ hourlyPriceUsd: 0.36 }));
    await machines.slotPrices([FLEET], new Set(['i-1']));
    await store.updateInstance(FLEET, 'i-1', { state: 'TERMINATED', reason: null, at: at(60) });

    const usdPerSecond = await machines.slotPrices([FLEET], new Set(['i-1']));

    expect(usdPerSecond('i-1')).not.toBeNull();
    expect(asked).toEqual([['i-1']]);
  });

  it('is looked up again where the machine reported before its launch was recorded', async () => {
    const { machines, store } = await prepare();
    await store.updateInstance(FLEET, 'i-1', { state: 'READY', reason: null, at: at(5) });
    const before = (await machines.slotPrices([FLEET], new Set(['i-1'])))('i-1');
    await store.addInstances([instanceFactory({ hourlyPriceUsd: 0.36 })]);

    const after = (await machines.slotPrices([FLEET], new Set(['i-1'])))('i-1');

    expect(before).toBeNull();
    expect(after).not.toBeNull();
  });
});

describe('a machine that reports on a task', () => {
  const saidBy = (...ids: string[]) => ids.map((instanceId) => completedEvent({ instanceId, at: at(15) }));

  it('is ready, though nothing else has said so', async () => {
    const { machines, stateOf } = await prepare(instanceFactory({ state: 'BOOTING' }));

    await machines.noteHeard([FLEET], saidBy('i-1'));

    expect(await stateOf('i-1')).toBe('READY');
  });

  it('is looked up once, with all others of the batch, and together with its price', async () => {
    const ids = ['i-1', 'i-2', 'i-3'];
    const { machines, asked, stateOf } = await prepare(
      ...ids.map((instanceId) => instanceFactory({ instanceId, state: 'BOOTING' })),
    );

    await machines.slotPrices([FLEET], new Set(ids));
    await machines.noteHeard([FLEET], saidBy('i-1', 'i-1', 'i-2', 'i-3'));
    await machines.noteHeard([FLEET], saidBy('i-2', 'i-1'));

    expect(asked).toEqual([ids]);
    expect(await Promise.all(ids.map(stateOf))).toEqual(['READY', 'READY', 'READY']);
  });

  it('goes on where it is: one that drains is not made ready again', async () => {
    const { machines, stateOf } = await prepare(instanceFactory({ state: 'DRAINING' }));

    await machines.noteHeard([FLEET], saidBy('i-1'));

    expect(await stateOf('i-1')).toBe('DRAINING');
  });

  it('is asked for again as long as nobody knows it', async () => {
    const { machines, store, stateOf } = await prepare();
    await machines.noteHeard([FLEET], saidBy('i-1'));
    await store.addInstances([instanceFactory({ state: 'BOOTING' })]);

    await machines.noteHeard([FLEET], saidBy('i-1'));

    expect(await stateOf('i-1')).toBe('READY');
  });
});
