/**
 * The scaler killed before and after every single call that a tick makes, and a second one run to its end in every gap
 * between two calls: nothing is launched twice, nothing that must end lives on, nothing is forgotten.
 */
import { describe, expect, it } from 'vitest';
import { instanceFactory } from '../../test/factories/instance.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { type Around, ScalerWorld } from './testing/scaler-world.ts';

const MAX_INSTANCES = 6;
const TASKS = 5;

interface Scene {
  readonly world: ScalerWorld;
  /** Must keep running. */
  readonly ours: readonly string[];
  /** Must be ended. */
  readonly doomed: readonly string[];
}

/**
 * A tick that has everything to do: work for five machines, of which one runs, one was launched by a run that died before
 * it could write that down, one was never ready, one is past its lifetime, one is lost, and one is known to nobody since
 * the last tick.
 */
async function scene(): Promise<Scene> {
  const world = new ScalerWorld({
    fleets: { default: { provider: 'aws', maxInstances: MAX_INSTANCES } },
    seconds: 600,
  });
  await world.work(TASKS, { expectedSeconds: 3_600 });
  const [ready, adopted, late, old, lost, stranger] = [
    await world.launch('ready'),
    await world.launch('of a dead run'),
    await world.launch('late'),
    await world.launch('old'),
    await world.launch('lost'),
    await world.launch('of nobody'),
  ];
  await world.store.addInstances([
    instanceFactory({ instanceId: ready, intentId: 'ready', state: 'READY', readyAt: at(60) }),
    instanceFactory({ instanceId: late, intentId: 'late', state: 'BOOTING', readyDeadlineAt: at(590) }),
    instanceFactory({ instanceId: old, intentId: 'old', state: 'READY', readyAt: at(60), expiresAt: at(595) }),
    instanceFactory({ instanceId: lost, intentId: 'lost', state: 'READY', readyAt: at(60) }),
  ]);
  world.provider.end(lost);
  const intent = { intentId: 'of a dead run', count: 1, createdAt: at(590), expiresAt: at(710) };
  const suspects = [{ instanceId: stranger, since: at(540) }];
  await world.store.writeState('default', { intents: [intent], lastPlan: null, suspects }, 0);
  return { world, ours: [ready, adopted], doomed: [late, old, stranger] };
}

class Killed extends Error {}

/** Dies at the call of that number, before it is made or after; whatever it calls from then on it does not live to see. */
function dying(atCall: number, moment: 'before' | 'after'): { around: Around; calls: string[] } {
  const calls: string[] = [];
  const around: Around = async (call, work) => {
    calls.push(call);
    const here = calls.length - 1;
    if (here > atCall || (here === atCall && moment === 'before')) throw new Killed();
    const answer = await work();
    if (here === atCall) throw new Killed();
    return answer;
  };
  return { around, calls };
}

/** Watches how many machines there are at most. */
function most(world: ScalerWorld): () => number {
  let seen = world.running().length;
  const launch = world.provider.launch.bind(world.provider);
  world.provider.launch = async (request) => {
    const outcome = await launch(request);
    seen = Math.max(seen, world.running().length);
    return outcome;
  };
  return () => seen;
}

/** Nobody dies any more: some minutes later everything is as it should be. */
async function settle(world: ScalerWorld): Promise<void> {
  for (let minute = 0; minute < 6; minute += 1) {
    world.clock.advance(60);
    await world.tick();
    await world.reportReady();
  }
}

async function expectNothingLost({ world, ours, doomed }: Scene): Promise<void> {
  const { instances, state } = await world.store.read('default');
  const running = world.running();
  expect(running).toHaveLength(TASKS);
  expect(running).toEqual(expect.arrayContaining([...ours]));
  for (const instanceId of doomed) expect(world.isRunning(instanceId)).toBe(false);
  expect(instances.map((each) => each.instanceId).sort()).toEqual([...running].sort());
  expect(state.intents).toEqual([]);
  // Six were there, of which two stayed: three more were launched, and never more than that.
  expect(world.provider.machines.size).toBe(6 + TASKS - 2);
}

async function callsOfATick(): Promise<number> {
  const { world } = await scene();
  const { around, calls } = dying(Number.POSITIVE_INFINITY, 'after');
  await world.tick(around);
  return calls.length;
}

describe('the scaler', () => {
  it('does all of it in one tick when nobody kills it', async () => {
    const all = await scene();

    await all.world.tick();
    await settle(all.world);

    await expectNothingLost(all);
    expect(all.world.failures).toEqual([]);
  });

  it.each(['before', 'after'] as const)(
    'killed %s any call launches nothing twice and leaks nothing (lesson 25)',
    async (moment) => {
      const calls = await callsOfATick();
      expect(calls).toBeGreaterThan(15);

      for (let call = 0; call < calls; call += 1) {
        const all = await scene();
        const seen = most(all.world);
        await all.world.tick(dying(call, moment).around).catch(() => undefined);
        await settle(all.world);

        await expectNothingLost(all);
        expect(seen()).toBeLessThanOrEqual(MAX_INSTANCES);
      }
    },
  );

  it('killed at any call, and the next one too, launches nothing twice and leaks nothing (lesson 25)', async () => {
    const calls = await callsOfATick();

    for (let first = 0; first < calls; first += 1) {
      for (let second = 0; second < calls; second += 3) {
        const all = await scene();
        await all.world.tick(dying(first, 'after').around).catch(() => undefined);
        all.world.clock.advance(30);
        await all.world.tick(dying(second, second % 2 === 0 ? 'before' : 'after').around).catch(() => undefined);
        await settle(all.world);

        await expectNothingLost(all);
      }
    }
  });

  it('held up before any call, while another runs from its beginning to its end, launches nothing twice (lesson 25)', async () => {
    const calls = await callsOfATick();

    for (let call = 0; call < calls; call += 1) {
      const all = await scene();
      const seen = most(all.world);
      let made = 0;
      await all.world.tick(async (_call, work) => {
        made += 1;
        if (made === call + 1) await all.world.tick();
        return work();
      });
      await settle(all.world);

      await expectNothingLost(all);
      expect(seen()).toBeLessThanOrEqual(MAX_INSTANCES);
    }
  });
});
