import { describe, expect, it } from 'vitest';
import { NotFoundError, ValidationError } from '../../core/errors.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import type { Instance } from '../../core/instance.ts';
import type { ApiKey } from '../../core/ports.ts';
import { instanceFactory, launchIntentFactory } from '../../test/factories/instance.ts';
import { at, ManualClock, START } from '../../test/factories/manual-clock.ts';
import { taskMessageFactory } from '../../test/factories/task-message.ts';
import { InMemoryFleetStore } from '../../test/fakes/in-memory-fleet-store.ts';
import { inMemoryTaskQueues } from '../../test/fakes/in-memory-task-queue.ts';
import { fleetRoutes } from './fleets.ts';

const caller: ApiKey = { keyId: 'key-1', name: 'laptop', createdAt: START };
const fleets = fleetsOf(
  fleetsFileSchema.parse({ fleets: { default: { provider: 'aws' }, large: { provider: 'gcp' } } }),
);

async function prepare() {
  const store = new InMemoryFleetStore();
  await store.addInstances([
    instanceFactory({ instanceId: 'a', state: 'READY' }),
    instanceFactory({ instanceId: 'b', state: 'READY' }),
    instanceFactory({ instanceId: 'c', state: 'BOOTING' }),
    instanceFactory({ instanceId: 'd', state: 'TERMINATED', endedAt: at(5) }),
    instanceFactory({ instanceId: 'e', state: 'INTERRUPTED', endedAt: at(9) }),
    instanceFactory({ instanceId: 'f', fleet: 'large', state: 'DRAINING' }),
  ]);
  const queues = inMemoryTaskQueues({ clock: new ManualClock() });
  const routes = fleetRoutes({ fleets, store, queues });
  const ask = async (route: string, query: Record<string, string> = {}, params: Record<string, string> = {}) => {
    const found = routes[route];
    if (!found) throw new Error(`there is no route ${route}`);
    const { body } = await found({ query, params, headers: {}, body: undefined }, caller);
    return JSON.parse(JSON.stringify(body));
  };
  const idsOf = async (query: Record<string, string>): Promise<string[]> => {
    const { instances }: { instances: Instance[] } = await ask('GET /v1/instances', query);
    return instances.map((each) => each.instanceId);
  };
  return { store, queues, ask, idsOf };
}

describe('GET /v1/fleets', () => {
  it('shows what each fleet is and how many machines it has, by state', async () => {
    const { ask } = await prepare();

    const body = await ask('GET /v1/fleets');

    expect(body.fleets).toMatchObject([
      { name: 'default', provider: 'aws', maxInstances: 10, instances: { READY: 2, BOOTING: 1 } },
      { name: 'large', provider: 'gcp', instances: { DRAINING: 1 } },
    ]);
    expect(body.fleets[0].instances).not.toHaveProperty('TERMINATED');
  });
});

describe('GET /v1/fleets/{fleet}', () => {
  it('shows depth, machines, what was asked for, and the last plan with its reasons', async () => {
    const { ask, queues, store } = await prepare();
    await queues('default', 'high').send([taskMessageFactory()]);
    const plan = { wanted: 1, launch: 0, terminate: [], reasons: ['no capacity'], at: at(1) };
    await store.writeState('default', { intents: [launchIntentFactory()], lastPlan: plan }, 0);

    const body = await ask('GET /v1/fleets/{fleet}', {}, { fleet: 'default' });

    expect(body).toMatchObject({
      name: 'default',
      depth: { high: { visible: 1, inFlight: 0, delayed: 0 }, normal: { visible: 0 }, low: { visible: 0 } },
      instances: { READY: 2, BOOTING: 1 },
      intents: [{ intentId: 'intent-1' }],
      plan,
    });
  });

  it.each(['moon', '__proto__', ''])('knows no fleet "%s"', async (fleet) => {
    const { ask } = await prepare();

    await expect(ask('GET /v1/fleets/{fleet}', {}, { fleet })).rejects.toThrow(NotFoundError);
  });
});

describe('GET /v1/instances', () => {
  it('lists machines of all fleets, those that ended lately too', async () => {
    const { idsOf } = await prepare();

    expect(await idsOf({})).toEqual(['a', 'b', 'c', 'e', 'd', 'f']);
  });

  it.each([
    [{ fleet: 'large' }, ['f']],
    [{ state: 'READY' }, ['a', 'b']],
    [{ state: 'INTERRUPTED' }, ['e']],
    [{ fleet: 'large', state: 'READY' }, []],
    [{ limit: '2' }, ['a', 'b']],
  ])('filters by %j', async (query, ids) => {
    const { idsOf } = await prepare();

    expect(await idsOf(query)).toEqual(ids);
  });

  it('lists a machine once that ends while they are read, as ended', async () => {
    const { store, ask } = await prepare();
    const read = store.read.bind(store);
    store.read = async (fleet) => {
      const found = await read(fleet);
      await store.updateInstance('default', 'a', { state: 'TERMINATED', reason: 'idle', at: at(10) });
      return found;
    };

    const { instances }: { instances: Instance[] } = await ask('GET /v1/instances');

    expect(instances.filter((each) => each.instanceId === 'a')).toMatchObject([{ state: 'TERMINATED' }]);
  });

  it('knows only fleets that exist, and states that are one', async () => {
    const { idsOf } = await prepare();

    await expect(idsOf({ fleet: 'moon' })).rejects.toThrow(NotFoundError);
    await expect(idsOf({ state: 'HAPPY' })).rejects.toThrow(ValidationError);
  });
});
