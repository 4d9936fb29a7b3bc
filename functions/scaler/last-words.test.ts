/** What is told of a machine that is gone: what it said itself, if it said anything. */
import { describe, expect, it } from 'vitest';
import { instanceFactory } from '../../test/factories/instance.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { ScalerWorld, type ScalerWorldOptions } from './testing/scaler-world.ts';

/** A machine that works, and is gone at second 60; reports are read up to second 50. */
async function goneMachine(options: ScalerWorldOptions = {}) {
  const world = new ScalerWorld(options);
  await world.work(1);
  const instanceId = await world.launch('intent');
  await world.store.addInstances([instanceFactory({ instanceId, state: 'READY', hourlyPriceUsd: 3.6 })]);
  world.provider.end(instanceId);
  world.statusFlow.heldUpSince = new Date(at(50));
  const lookAgain = (): Promise<unknown> => {
    world.clock.advance(60);
    return world.tick();
  };
  const goodbye = (seconds: number): Promise<void> =>
    world.store.updateInstance('default', instanceId, { state: 'TERMINATED', reason: 'idle', at: at(seconds) });
  const row = async () => (await world.store.findMany(['default'], [instanceId])).get(instanceId);
  return { world, instanceId, lookAgain, goodbye, row };
}

describe('a machine that is gone', () => {
  it('is not called lost while its goodbye may still lie in the queue', async () => {
    const { world, lookAgain, goodbye, row } = await goneMachine();

    await world.tick();
    await lookAgain();
    const waiting = (await row())?.state;
    await goodbye(58);
    world.statusFlow.heldUpSince = null;
    await lookAgain();

    expect(waiting).toBe('READY');
    expect(await row()).toMatchObject({ state: 'TERMINATED', stateReason: 'idle', endedAt: at(58) });
  });

  it('is called lost once everything from before is read, and ended when it was first seen to be gone', async () => {
    const { world, lookAgain, row } = await goneMachine();

    await world.tick();
    world.statusFlow.heldUpSince = new Date(at(59));
    await lookAgain();
    const waiting = (await row())?.state;
    world.statusFlow.heldUpSince = new Date(at(60));
    await lookAgain();

    expect(waiting).toBe('READY');
    const reason = 'the machine is gone without a goodbye';
    expect(await row()).toMatchObject({ state: 'INTERRUPTED', stateReason: reason, endedAt: at(60) });
    expect(await world.store.listDays('default', 9)).toMatchObject([
      { machines: 1, machineSeconds: 60, costUsd: 0.06 },
    ]);
  });

  it('is replaced at once, and no trouble of the fleet', async () => {
    const { world, lookAgain } = await goneMachine({ fleets: { default: { provider: 'aws', maxInstances: 1 } } });

    const [scaled] = await world.tick();
    await lookAgain();

    expect(scaled).toMatchObject({ launched: 1, plan: { wanted: 1 } });
    expect(world.running()).toHaveLength(1);
  });

  it('gives its tasks to others at every look until it is closed: a start of before may be read only now', async () => {
    const { world, instanceId, lookAgain } = await goneMachine();
    const taken: string[][] = [];
    const takeBackTasks = async (machines: readonly { readonly instanceId: string }[]) => {
      taken.push(machines.map((each) => each.instanceId));
      return machines.length;
    };

    await world.tick(undefined, { takeBackTasks });
    world.clock.advance(60);
    world.statusFlow.heldUpSince = null;
    await world.tick(undefined, { takeBackTasks });
    await lookAgain();

    expect(taken).toEqual([[instanceId], [instanceId]]);
  });

  it('that was draining gives back what it held by itself, unless it never says so', async () => {
    const { world, instanceId } = await goneMachine();
    await world.store.updateInstance('default', instanceId, { state: 'DRAINING', reason: 'idle', at: at(55) });
    const taken: string[] = [];
    const takeBackTasks = async (machines: readonly { readonly instanceId: string }[]) => {
      taken.push(...machines.map((each) => each.instanceId));
      return machines.length;
    };

    await world.tick(undefined, { takeBackTasks });
    const early = [...taken];
    world.clock.advance(60);
    world.statusFlow.heldUpSince = null;
    await world.tick(undefined, { takeBackTasks });

    expect([early, taken]).toEqual([[], [instanceId]]);
  });

  it('has its row closed although nobody reads reports any more', async () => {
    const { world, lookAgain, row } = await goneMachine();

    await world.tick();
    for (let minute = 0; minute < 30; minute += 1) await lookAgain();

    expect(await row()).toMatchObject({ state: 'INTERRUPTED', endedAt: at(60) });
  });

  it('is not forgotten where there is no work any more', async () => {
    const { world, row } = await goneMachine({ seconds: 600 });
    world.statusFlow.heldUpSince = new Date(at(500));
    world.tables.jobs.clear();

    await world.tick();
    world.statusFlow.heldUpSince = null;
    world.clock.advance(600);
    await world.tick();

    expect(await row()).toMatchObject({ state: 'INTERRUPTED', endedAt: at(600) });
    expect((await world.store.read('default')).state.suspects).toEqual([]);
  });
});
