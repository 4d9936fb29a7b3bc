import { describe, expect, it } from 'vitest';
import { hasJobLeft } from '../../core/control-document.ts';
import type { Counters } from '../../core/counters.ts';
import { TransientError } from '../../core/errors.ts';
import type { FleetTrouble } from '../../core/fleet-trouble.ts';
import type { Job } from '../../core/job.ts';
import { fleetOf, fleetsInUse, type Share } from '../../core/placement.ts';
import type { InstanceProvider, TaskQueue } from '../../core/ports.ts';
import { taskIdFactory } from '../../test/factories/ids.ts';
import { START } from '../../test/factories/manual-clock.ts';
import { taskRecordFactory } from '../../test/factories/task-record.ts';
import type { TickPorts } from './scale.ts';
import { ScalerWorld, type ScalerWorldOptions } from './testing/scaler-world.ts';

const A = 'aws-spot';
const B = 'gcp-spot';
const fleets = { [A]: { provider: 'aws' }, [B]: { provider: 'aws' } };
const share = (fleet: string, tasks: number): Share => ({ fleet, tasks });

/** A job over two fleets, every task of which lies on the queue of its fleet. */
async function prepare(
  overrides: Partial<Job> = {},
  counters: Partial<Counters> = {},
  shares: readonly Share[] = [share(A, 6), share(B, 4)],
  options: ScalerWorldOptions = {},
) {
  const world = new ScalerWorld({ fleets, ...options });
  const taskCount = shares.reduce((sum, { tasks }) => sum + tasks, 0);
  const job = await world.work(
    taskCount,
    {
      fleet: [A, B],
      placement: { shares: [...shares], left: [], reasons: [], at: START },
      enqueuedAt: START,
      startedAt: START,
      expectedSeconds: 60,
      ...overrides,
    },
    counters,
  );
  /** What goes wrong with a fleet: its provider and its queues do not answer. */
  const down = new Set<string>();
  const guarded = <Part extends object>(fleet: string, part: Part): Part =>
    new Proxy(part, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return async (...args: unknown[]): Promise<unknown> => {
          if (down.has(fleet)) throw new TransientError('no route to host');
          return Reflect.apply(member, target, args);
        };
      },
    });
  const own = world.ports();
  const providers = new Map(world.fleets.map(({ name }) => [name, guarded<InstanceProvider>(name, world.provider)]));
  const ports: Partial<TickPorts> = {
    providerOf: ({ name }) => providers.get(name),
    queues: (fleet, priority) => guarded<TaskQueue>(fleet, own.queues(fleet, priority)),
  };
  const tick = (seconds = 60) => {
    world.clock.advance(seconds);
    return world.tick(undefined, ports);
  };
  const ticks = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += 1) await tick();
  };
  const stored = (): Job => world.tables.jobs.get(job.jobId)?.job ?? job;
  const launched = (fleet: string): number =>
    [...world.provider.machines.values()].filter(({ request }) => request.fleet === fleet).length;
  const waiting = async (fleet: string): Promise<{ taskId: string; attempt: number }[]> => {
    const { leases } = await world
      .queues(fleet, 'normal')
      .receive({ maxMessages: 10, waitSeconds: 0, leaseSeconds: 3_600 });
    return leases.map(({ message: { taskId, attempt } }) => ({ taskId, attempt }));
  };
  const trouble = async (fleet: string, what: FleetTrouble): Promise<void> => {
    const { state } = await world.store.read(fleet);
    const { version, ...known } = state;
    await world.store.writeState(fleet, { ...known, trouble: what }, version);
  };
  return { ...world, world, job, down, tick, ticks, stored, launched, waiting, trouble };
}

describe('a job over two fleets', () => {
  it('has machines launched on each for its share', async () => {
    const { tick, launched } = await prepare();

    await tick();

    expect([launched(A), launched(B)]).toEqual([6, 4]);
  });

  it('has none launched where its share is done, however much is open elsewhere', async () => {
    const { tick, launched } = await prepare({}, { completed: 6, completedSeconds: 360, endedByFleet: { [A]: 6 } });

    await tick();

    expect([launched(A), launched(B)]).toEqual([0, 4]);
  });

  it('has none launched where its share is done, even if the queue does not tell what it holds', async () => {
    const { world, launched } = await prepare({}, { completed: 6, completedSeconds: 360, endedByFleet: { [A]: 6 } });
    const silent: TickPorts['queues'] = (fleet, priority) =>
      Object.assign(Object.create(world.queues(fleet, priority)), { depth: async () => null });
    world.clock.advance(60);

    await world.tick(undefined, { queues: silent });

    expect([launched(A), launched(B)]).toEqual([0, 4]);
  });

  it('never has more machines than it may have, on all its fleets together (promise 5)', async () => {
    const { tick, launched, world } = await prepare({ maxInstances: 3 }, {}, [share(A, 60), share(B, 30)]);

    for (let minute = 0; minute < 5; minute += 1) {
      await tick();
      await world.reportReady();
      expect(launched(A) + launched(B)).toBeLessThanOrEqual(3);
    }

    expect([launched(A), launched(B)]).toEqual([2, 1]);
  });

  it('never has machines launched beyond its budget, on all its fleets together (promise 5)', async () => {
    const cheap = { provider: 'aws', maxHourlyPriceUsd: 0.0145 };
    const budget = { budgetUsd: 0.002 };
    const { tick, launched, world } = await prepare(budget, {}, [share(A, 60), share(B, 60)], {
      fleets: { [A]: cheap, [B]: cheap },
    });
    // A minute of work and half a minute until it ends.
    const oneUsd = (0.0145 * 90) / 3_600;

    for (let minute = 0; minute < 4; minute += 1) {
      await tick();
      await world.reportReady();
      expect((launched(A) + launched(B)) * oneUsd).toBeLessThanOrEqual(0.002);
    }

    expect(launched(A)).toBeGreaterThanOrEqual(2);
    expect(launched(B)).toBeGreaterThanOrEqual(2);
  });
});

describe('a fleet whose cloud does not answer', () => {
  it('is left after five minutes, its tasks are sent to the other as the same attempts, and its machines are told', async () => {
    const { job, down, tables, tick, ticks, stored, waiting, control } = await prepare();
    const retried = Array.from({ length: 10 }, (_, index) => index).find((index) => fleetOf(job, index) === B) ?? 0;
    tables.tasks.set(
      taskIdFactory(retried),
      taskRecordFactory({ index: retried, status: 'PENDING', attempt: 2, leaseId: null, instanceId: null }),
    );
    await waiting(A);
    down.add(B);

    await ticks(5);
    expect(fleetsInUse(stored())).toEqual([A, B]);
    await ticks(2);

    const { placement, moved } = stored();
    expect(placement?.left).toMatchObject([{ fleet: B, to: [share(A, 4)] }]);
    expect(placement?.left[0]?.reason).toMatch(/do not answer: no route to host \(for 5 minutes\)/);
    expect(placement?.reasons.join('\n')).toMatch(/gcp-spot is left for good, 4 tasks move/);
    expect(moved).toEqual({ done: 1, chunk: 0 });
    const sent = await waiting(A);
    expect(sent).toHaveLength(4);
    expect(sent).toContainEqual({ taskId: taskIdFactory(retried), attempt: 2 });
    const told = await control.read(B);
    expect(told.kind === 'document' && hasJobLeft(told.document, job.jobId)).toBe(true);
    await tick();
    expect(await waiting(A)).toEqual([]);
  });

  it('is not returned to when it answers again, and what is asked for is asked of the other', async () => {
    const { down, ticks, stored, launched } = await prepare();
    down.add(B);
    await ticks(8);
    down.clear();

    await ticks(20);

    expect(fleetsInUse(stored())).toEqual([A]);
    expect(launched(B)).toBe(0);
    expect(launched(A)).toBe(10);
  });

  it('is kept as long as the other one is no better: the last one is never left', async () => {
    const { down, ticks, stored } = await prepare();
    down.add(A).add(B);

    await ticks(15);

    expect(fleetsInUse(stored())).toEqual([A, B]);
  });

  it('is kept by a job that waits for somebody to let it go on', async () => {
    const { down, ticks, stored } = await prepare({ status: 'PAUSED', pausedFor: 'request' });
    down.add(B);

    await ticks(15);

    expect(stored().placement?.left).toEqual([]);
  });
});

describe('a fleet whose provider fails every launch', () => {
  it('is left after five minutes, though it lists its machines', async () => {
    const { world, stored } = await prepare();
    const failing = Object.assign(Object.create(world.provider), {
      launch: async () => {
        throw new TransientError('the service is unavailable');
      },
    });
    const providerOf: TickPorts['providerOf'] = ({ name }) => (name === B ? failing : world.provider);

    for (let minute = 0; minute < 9; minute += 1) {
      world.clock.advance(60);
      await world.tick(undefined, { providerOf });
    }

    expect(stored().placement?.left).toMatchObject([{ fleet: B, reason: expect.stringMatching(/a launch failed/) }]);
  });
});

describe('a fleet whose cloud says nothing at all', () => {
  it('keeps nobody waiting: others are served, and it is left all the same', async () => {
    const { world, stored, launched } = await prepare();
    const silent: TickPorts['queues'] = (fleet, priority) =>
      fleet === A
        ? world.queues(fleet, priority)
        : Object.assign(Object.create(world.queues(fleet, priority)), { depth: () => new Promise(() => undefined) });
    const patience: TickPorts['patience'] = (work, seconds, what) =>
      Promise.race([
        work,
        new Promise<never>((_, reject) =>
          setTimeout(() => reject(new TransientError(`${what} gave no answer within ${seconds} s`)), 20),
        ),
      ]);

    for (let minute = 0; minute < 7; minute += 1) {
      world.clock.advance(60);
      await world.tick(undefined, { queues: silent, patience });
    }

    expect(launched(A)).toBeGreaterThanOrEqual(6);
    expect(stored().placement?.left).toMatchObject([{ fleet: B, reason: expect.stringMatching(/gave no answer/) }]);
  });
});

describe('a fleet that has no machines to give', () => {
  it('is left after ten minutes in which nothing of it ran (lesson 20)', async () => {
    const { provider, ticks, stored, world } = await prepare();
    provider.capacity = 6;
    await ticks(1);
    await world.reportReady();

    await ticks(9);
    expect(fleetsInUse(stored())).toEqual([A, B]);
    await ticks(2);

    expect(stored().placement?.left).toMatchObject([{ fleet: B, reason: expect.stringMatching(/has no machines/) }]);
  });

  it('is kept as long as one of its machines works', async () => {
    const { provider, ticks, stored, world } = await prepare();
    provider.capacity = 7;
    await ticks(1);
    await world.reportReady();

    await ticks(20);

    expect(fleetsInUse(stored())).toEqual([A, B]);
  });
});

describe('a fleet whose machines do not boot', () => {
  it('is left as soon as its launches are stopped', async () => {
    const { store, provider, tick, ticks, stored, clock } = await prepare();
    await tick();
    const of = (fleet: string) => [...provider.machines].filter(([, { request }]) => request.fleet === fleet);
    const at = clock.now().toISOString();
    for (const [id] of of(A)) await store.updateInstance(A, id, { state: 'READY', reason: null, at });
    for (const [id] of of(B)) {
      provider.end(id);
      await store.updateInstance(B, id, { state: 'FAILED', reason: 'the image is broken', at });
    }

    await ticks(2);

    expect(stored().placement?.left).toMatchObject([
      { fleet: B, reason: expect.stringMatching(/do not boot: the image/) },
    ]);
  });
});

describe('a fleet whose machines are taken back before they are ready', () => {
  it('is left after ten minutes of it, and not for machines that do not boot (lesson 23)', async () => {
    const { provider, tick, stored, world } = await prepare();
    await tick();
    const working = [...provider.machines].filter(([, { request }]) => request.fleet === A);
    const at = world.clock.now().toISOString();
    for (const [id] of working) await world.store.updateInstance(A, id, { state: 'READY', reason: null, at });
    const minute = async () => {
      for (const [id, { request }] of provider.machines) if (request.fleet === B) provider.takeBack(id);
      await tick();
    };

    for (let done = 0; done < 10; done += 1) await minute();
    expect(fleetsInUse(stored())).toEqual([A, B]);
    for (let done = 0; done < 2; done += 1) await minute();

    expect(stored().placement?.left).toMatchObject([
      { fleet: B, reason: expect.stringMatching(/taken back before they are ready/) },
    ]);
    expect((await world.store.read(B)).boots.failedInARow).toBe(0);
  });
});

describe('moving the tasks of a fleet that was left', () => {
  const far: FleetTrouble = { kind: 'boot', reason: 'its machines do not boot', since: START, seenAt: START };

  it('goes on where it stopped: a bounded number of chunks in one run', async () => {
    const { trouble, tick, stored, waiting } = await prepare({}, {}, [share(A, 20_990), share(B, 10)]);
    for (let read = 0; read < 10; read += 1) await waiting(B);
    await trouble(B, { ...far, seenAt: new Date(Date.parse(START) + 60_000).toISOString() });

    await tick();
    expect(stored().moved).toEqual({ done: 0, chunk: 20 });
    await tick();

    expect(stored().moved).toEqual({ done: 1, chunk: 0 });
    expect(stored().sweep).toMatchObject({ quietAt: null, chunk: 0 });
  });

  it('waits until every chunk was sent once', async () => {
    const { trouble, tick, stored } = await prepare({ enqueuedAt: null });
    await trouble(B, { ...far, seenAt: new Date(Date.parse(START) + 60_000).toISOString() });

    await tick();

    expect(stored().placement?.left).toHaveLength(1);
    expect(stored().moved).toBeNull();
  });
});
