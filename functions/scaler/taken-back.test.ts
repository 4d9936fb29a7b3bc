/** A fleet whose spot machines are taken back before they are ready: no failure of theirs, but hardly any are to be had. */
import { describe, expect, it } from 'vitest';
import { at } from '../../test/factories/manual-clock.ts';
import { offerFactory } from '../../test/factories/offer.ts';
import { ScalerWorld, type ScalerWorldOptions } from './testing/scaler-world.ts';

const small = offerFactory({ provider: 'azure', vcpus: 1, memoryMiB: 2_048, instanceType: 'D1', zone: null });
const offers = [small, offerFactory({ ...small, instanceType: 'E1', hourlyPriceUsd: small.hourlyPriceUsd * 1.1 })];
const slot = { vcpu: 1, memoryMiB: 1_024, diskGiB: 1 };

async function fleetOf(market: string, options: ScalerWorldOptions = {}) {
  const fleets = { default: { provider: 'azure', maxInstances: 9, market, slot } };
  const world = new ScalerWorld({ fleets, offers, ...options });
  const job = await world.work(3, { expectedSeconds: 3_600 });
  /** As on Azure: what is gone is listed no more, and nobody says why. */
  const evictAll = (): void => {
    for (const instanceId of world.running()) world.provider.machines.delete(instanceId);
  };
  const nextMinute = async () => {
    world.clock.advance(60);
    return (await world.tick())[0];
  };
  const fleet = () => world.store.read('default');
  return { world, job, evictAll, nextMinute, fleet };
}

describe('a fleet whose machines vanish before they are ready', () => {
  it('has no failed boots of it, and goes on with one at a time of another type', async () => {
    const { world, evictAll, nextMinute, fleet } = await fleetOf('spot');
    await world.tick();
    const types = new Set((await fleet()).instances.map((each) => each.instanceType));
    evictAll();

    const tried = await nextMinute();
    const meanwhile = await nextMinute();

    expect(types).toEqual(new Set(['D1']));
    expect(await world.store.listEnded('default', 9)).toMatchObject(Array(3).fill({ state: 'INTERRUPTED' }));
    expect([tried, meanwhile]).toMatchObject([
      { launched: 1, breaker: 'closed' },
      { launched: 0, breaker: 'closed' },
    ]);
    const { instances, boots } = await fleet();
    expect([boots.failedInARow, instances.map((each) => each.instanceType)]).toEqual([0, ['E1']]);
    expect((await world.plan())?.reasons.join('\n')).toContain('taken back before they are ready');
  });

  it('launches as it likes again once one is ready', async () => {
    const { world, evictAll, nextMinute, fleet } = await fleetOf('spot');
    await world.tick();
    evictAll();
    await nextMinute();
    await world.reportReady();

    await nextMinute();

    expect(world.running()).toHaveLength(3);
    expect((await fleet()).state.trouble).toBeNull();
  });

  it('is in trouble for as long as that lasts, and says so on its jobs', async () => {
    const { world, job, evictAll, nextMinute, fleet } = await fleetOf('spot');
    await world.tick();

    for (let minute = 0; minute < 10; minute += 1) {
      evictAll();
      await nextMinute();
    }

    expect((await fleet()).state.trouble).toMatchObject({ kind: 'taken', since: at(120) });
    // One at a time: three at first, and then one each minute.
    expect(await world.store.listEnded('default', 99)).toHaveLength(3 + 9);
    expect(world.tables.jobs.get(job.jobId)?.job.problem).toMatchObject({
      taskId: null,
      reason: expect.stringContaining('taken back before they are ready'),
    });
  });

  it('is in none while one of its machines works', async () => {
    const { world, nextMinute, fleet } = await fleetOf('spot');
    await world.tick();
    const [first = '', ...others] = world.running();
    await world.store.updateInstance('default', first, { state: 'READY', reason: null, at: at(61) });
    for (const each of others) world.provider.machines.delete(each);

    expect(await nextMinute()).toMatchObject({ launched: 2 });
    const { trouble, stockOuts } = (await fleet()).state;
    expect([trouble, stockOuts?.map(({ pool }) => pool)]).toEqual([null, ['D1/*/spot']]);
  });

  it('has failed boots all the same where a machine was seen switched off, though it is deleted before it is heard out', async () => {
    const { world, nextMinute, fleet } = await fleetOf('spot');
    await world.tick();
    for (const instanceId of world.running()) world.provider.end(instanceId);
    world.statusFlow.heldUpSince = world.clock.now();
    await nextMinute();
    world.provider.machines.clear();
    world.statusFlow.heldUpSince = null;

    await nextMinute();

    expect((await fleet()).boots.failedInARow).toBe(3);
  });

  it('does not boot where its machines cannot be taken back', async () => {
    const onDemand = offers.map((each) => ({ ...each, market: 'on-demand' as const }));
    const { world, evictAll, nextMinute, fleet } = await fleetOf('on-demand', { offers: onDemand });
    await world.tick();
    evictAll();

    expect(await nextMinute()).toMatchObject({ launched: 0, breaker: 'open' });
    expect((await fleet()).boots.failedInARow).toBe(3);
  });
});
