/** What a tick costs where there is much: 30 fleets with 2,000 machines, prices of hundreds of types. */
import { beforeAll, describe, expect, it } from 'vitest';
import { jobIdFactory } from '../../test/factories/ids.ts';
import { instanceFactory } from '../../test/factories/instance.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { offerFactory } from '../../test/factories/offer.ts';
import { ScalerWorld } from './testing/scaler-world.ts';

const FLEETS = 30;
const MACHINES = 2_000;
const fleetName = (index: number): string => `fleet-${index % FLEETS}`;

/** 300 types in three zones and both markets: 1,800 offers. */
const offers = Array.from({ length: 300 }, (_, type) =>
  ['a', 'b', 'c'].flatMap((zone) =>
    (['spot', 'on-demand'] as const).map((market) =>
      offerFactory({ instanceType: `t${type}.large`, zone: `us-east-1${zone}`, market, vcpus: 2 + (type % 16) }),
    ),
  ),
).flat();

let world: ScalerWorld;

beforeAll(async () => {
  const fleets = Object.fromEntries(
    Array.from({ length: FLEETS }, (_, index) => [fleetName(index), { provider: 'aws', maxInstances: 500 }]),
  );
  world = new ScalerWorld({ fleets, offers });
  const ids = await Promise.all(Array.from({ length: MACHINES }, (_, n) => world.launch(`intent-${n}`, fleetName(n))));
  await world.store.addInstances(
    ids.map((instanceId, n) =>
      instanceFactory({ instanceId, fleet: fleetName(n), intentId: `intent-${n}`, state: 'READY', readyAt: at(30) }),
    ),
  );
  for (let index = 0; index < FLEETS; index += 1) {
    await world.work(20, { fleet: fleetName(index), jobId: jobIdFactory(index) });
  }
});

describe('a tick over 30 fleets and 2,000 machines', () => {
  it('lists machines once, asks each queue in use once, and reads each fleet once (lesson 30)', async () => {
    const calls: string[] = [];

    const scaled = await world.tick((call, work) => {
      calls.push(call);
      return work();
    });

    const times = (name: string): number => calls.filter((call) => call === name).length;
    expect(world.failures).toEqual([]);
    expect(scaled).toHaveLength(FLEETS);
    expect([times('list'), times('depth'), times('read'), times('listOpen')]).toEqual([1, FLEETS, FLEETS, 1]);
  });

  it('takes less than a second of CPU, and keeps nothing', async () => {
    await world.tick();
    globalThis.gc?.();
    const before = process.cpuUsage();
    const heapBefore = process.memoryUsage().heapUsed;

    for (let ticks = 0; ticks < 5; ticks += 1) {
      world.clock.advance(60);
      await world.tick();
    }

    const { user, system } = process.cpuUsage(before);
    const grownMiB = (process.memoryUsage().heapUsed - heapBefore) / 2 ** 20;
    expect((user + system) / 5 / 1e6).toBeLessThan(1);
    // With a collection anywhere in between, what a tick leaves behind is nothing.
    expect(grownMiB).toBeLessThan(150);
  });
});
