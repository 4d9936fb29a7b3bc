import { describe, expect, it } from 'vitest';
import { at } from '../../test/factories/manual-clock.ts';
import type { TickPorts } from './scale.ts';
import { ScalerWorld } from './testing/scaler-world.ts';

function prepare() {
  const world = new ScalerWorld({ fleets: { own: { provider: 'external', maxInstances: 3 } } });
  const takenBack: string[] = [];
  const untouchable = async (): Promise<never> => {
    throw new Error('there is no provider to ask');
  };
  const over: Partial<TickPorts> = {
    providerOf: () => undefined,
    takeBackTasks: async (machines) => {
      takenBack.push(...machines.map(({ instanceId }) => instanceId));
      return machines.length;
    },
  };
  world.provider.launch = untouchable;
  world.provider.terminate = untouchable;
  return {
    world,
    takenBack,
    tick: () => world.tick(undefined, over),
    join: (instanceId: string, seconds: number, lifeSeconds = 3_600) =>
      world.store.updateInstance('own', instanceId, {
        state: 'READY',
        reason: null,
        at: at(seconds),
        slots: 4,
        expiresAt: at(seconds + lifeSeconds),
      }),
    leave: (instanceId: string, seconds: number) =>
      world.store.updateInstance('own', instanceId, { state: 'TERMINATED', reason: 'SIGTERM', at: at(seconds) }),
  };
}

describe('a fleet of somebody’s own machines', () => {
  it('launches nothing, and its plan says what is there and what the work could use', async () => {
    const { world, tick, join } = prepare();
    await world.work(2, { fleet: 'own' });
    await join('desk-1', 50);

    const [scaled] = await tick();

    expect(scaled).toMatchObject({ fleet: 'own', launched: 0, terminated: 0, plan: { launch: 0, terminate: [] } });
    const reasons = (await world.plan('own'))?.reasons ?? [];
    expect(reasons.at(-1)).toMatch(/^\d wanted, 1 of your own is there: nothing is launched$/);
    expect(reasons.join()).not.toContain('cannot launch');
    expect(world.failures).toEqual([]);
  });

  it('tells the job when nobody has joined, and stops saying so when somebody has', async () => {
    const { world, tick, join } = prepare();
    const { jobId } = await world.work(2, { fleet: 'own' });

    await tick();

    expect(world.tables.jobs.get(jobId)?.job.problem).toMatchObject({
      taskId: null,
      reason: 'no machine works for own: none of your own machines has joined it',
    });
    expect((await world.store.read('own')).state.trouble).toMatchObject({ kind: 'launch' });
    await join('desk-1', 70);
    await tick();
    expect((await world.store.read('own')).state.trouble).toBeNull();
  });

  it('costs nothing and is never swept: a machine that left and one that stays are both as they said', async () => {
    const { world, tick, join, leave } = prepare();
    await world.work(1, { fleet: 'own' });
    await join('desk-1', 50);
    await join('desk-2', 55);
    await leave('desk-2', 58);
    world.clock.advance(1_800);

    await tick();

    const { instances } = await world.store.read('own');
    expect(instances).toMatchObject([{ instanceId: 'desk-1', state: 'READY', hourlyPriceUsd: 0 }]);
    const [day] = await world.store.listDays('own', 1);
    expect(day).toMatchObject({ machines: 1, machineSeconds: 3, costUsd: 0 });
  });

  it('gives up a machine that vanished when its life is over, and its tasks go to others', async () => {
    const { world, tick, join, takenBack } = prepare();
    await world.work(1, { fleet: 'own' });
    await join('desk-1', 60, 600);
    await join('desk-2', 60, 7_200);

    world.clock.advance(890);
    await tick();
    expect(takenBack).toEqual([]);
    world.clock.advance(20);
    await tick();

    expect(takenBack).toEqual(['desk-1']);
    expect((await world.store.read('own')).instances.map(({ instanceId }) => instanceId)).toEqual(['desk-2']);
    expect((await world.store.findMany(['own'], ['desk-1'])).get('desk-1')).toMatchObject({
      state: 'INTERRUPTED',
      stateReason: 'its lifetime is over, and it left without a goodbye',
    });
    await tick();
    expect(takenBack).toEqual(['desk-1']);
  });

  it('is looked at without any work too, every tenth minute', async () => {
    const { world, tick, join } = prepare();
    await join('desk-1', 0, 60);
    world.clock.advance(539);
    await tick();
    expect((await world.store.findMany(['own'], ['desk-1'])).get('desk-1')?.state).toBe('READY');

    world.clock.advance(1);
    await tick();

    expect((await world.store.findMany(['own'], ['desk-1'])).get('desk-1')?.state).toBe('INTERRUPTED');
  });

  it('tells nothing wrong of a machine whose goodbye still waits to be read', async () => {
    const { world, tick, join, leave } = prepare();
    await world.work(1, { fleet: 'own' });
    await join('desk-1', 60, 600);
    world.statusFlow.heldUpSince = new Date(at(600));
    world.clock.advance(1_200);

    await tick();
    const reasons = (await world.plan('own'))?.reasons.join();
    await leave('desk-1', 650);
    world.statusFlow.heldUpSince = null;
    await tick();

    expect(reasons).not.toContain('goodbye');
    expect((await world.store.findMany(['own'], ['desk-1'])).get('desk-1')).toMatchObject({
      state: 'TERMINATED',
      stateReason: 'SIGTERM',
    });
  });
});
