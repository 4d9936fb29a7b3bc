import { describe, expect, it } from 'vitest';
import { TransientError } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import { jobIdFactory } from '../../test/factories/ids.ts';
import { instanceFactory } from '../../test/factories/instance.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { at } from '../../test/factories/manual-clock.ts';
import type { TickPorts } from './scale.ts';
import { type Around, ScalerWorld } from './testing/scaler-world.ts';

interface Options {
  readonly fleets?: Record<string, unknown>;
  readonly capacity?: number;
  /** Seconds after the start; at 0 the tick also looks at fleets without jobs. */
  readonly seconds?: number;
  readonly slotsPerInstance?: number;
}

function prepare({ capacity, slotsPerInstance = 1, ...options }: Options = {}) {
  const world = new ScalerWorld({ ...options, settings: { bootSeconds: 60, slotsPerInstance } });
  const { clock, tables, store, queues, provider, failures, machine } = world;
  if (capacity !== undefined) provider.capacity = capacity;
  const calls: string[] = [];
  const noted: Around = (call, work) => {
    // What a tick costs on AWS; taking tasks back is a use case of its own.
    if (call !== 'takeBackTasks') calls.push(call);
    return work();
  };
  return {
    clock,
    tables,
    store,
    queues,
    provider,
    calls,
    failures,
    machine,
    ports: world.ports(),
    jobs: world.ports().jobs,
    tick: (over?: Partial<TickPorts>) => world.tick(noted, over),
    plan: (fleet?: string) => world.plan(fleet),
    running: () => world.running().length,
    work: world.work.bind(world),
  };
}

const unavailable = async (): Promise<never> => {
  throw new TransientError('it does not answer');
};

describe('an idle tick', () => {
  it('costs exactly one read', async () => {
    const { tick, calls } = prepare();

    expect(await tick()).toEqual([]);
    expect(calls).toEqual(['listOpen']);
  });

  it('looks at its fleets every tenth minute, and reads nothing else when nothing is there', async () => {
    const { tick, calls } = prepare({ seconds: 0 });

    expect(await tick()).toEqual([]);
    expect(calls).toEqual(['listOpen', 'list', 'read']);
  });

  it('finds every tenth minute what outlived its work', async () => {
    const { tick, provider, store, clock } = prepare({ seconds: 0 });
    const outcome = await provider.launch({ fleet: 'default', intentId: 'old', count: 1, environment: {} });
    const instanceId = outcome.launched[0]?.instanceId ?? '';
    await store.addInstances([instanceFactory({ instanceId, state: 'READY', expiresAt: at(600) })]);
    clock.advance(600);

    const [scaled] = await tick();

    expect(scaled).toMatchObject({ launched: 0, terminated: 1 });
    expect(provider.machines.get(instanceId)?.running).toBe(false);
    expect(await store.listEnded('default', 1)).toMatchObject([{ state: 'TERMINATED' }]);
  });

  it('launches nothing, not even the minimum of a fleet that has one', async () => {
    const { tick, running } = prepare({ seconds: 0, fleets: { default: { provider: 'aws', minInstances: 2 } } });

    await tick();

    expect(running()).toBe(0);
  });
});

describe('a job without an execution', () => {
  it.each(['PENDING', 'RUNNING', 'CANCELLING'] as const)(
    'that is %s is started, once it is old enough to be abandoned',
    async (status) => {
      const { tick, machine, clock, tables } = prepare();
      const job = jobFactory({ status, createdAt: clock.now().toISOString() });
      tables.jobs.set(job.jobId, { job, counters: countersFactory() });

      await tick();
      const whileYoung = machine.started.size;
      clock.advance(61);
      await tick();

      expect(whileYoung).toBe(0);
      expect([...machine.started.keys()]).toEqual([job.jobId]);
    },
  );

  it('that is being cancelled, by a run that died before it could tell the execution, is told by the next tick', async () => {
    const { tick, machine, tables } = prepare();
    const job = jobFactory({ status: 'CANCELLING', taskToken: 'token-1' });
    tables.jobs.set(job.jobId, { job, counters: countersFactory() });
    machine.waitFor('token-1');

    await tick();

    expect(machine.answers.get('token-1')).toBe('cancelling');
  });

  it('whose last task was cancelled, by a run that died before it could tell the execution, is told by the next tick', async () => {
    const { tick, machine, tables } = prepare();
    const job = jobFactory({ status: 'RUNNING', taskCount: 2, taskToken: 'token-1' });
    tables.jobs.set(job.jobId, { job, counters: countersFactory({ completed: 1, cancelled: 1 }) });
    machine.waitFor('token-1');

    await tick();

    expect(machine.answers.get('token-1')).toBe('settled');
  });

  it('that cannot be started keeps no fleet from being looked after (lesson 33)', async () => {
    const { tick, machine, clock, tables, work, failures } = prepare();
    const job = jobFactory({ jobId: jobIdFactory(9), createdAt: clock.now().toISOString() });
    tables.jobs.set(job.jobId, { job, counters: countersFactory() });
    await work(1);
    clock.advance(61);
    machine.start = async () => {
      throw new TransientError('Step Functions does not answer');
    };

    const scaled = await tick();

    expect(scaled).toMatchObject([{ fleet: 'default', launched: 1 }]);
    expect(failures).toMatchObject([[job.jobId, { name: 'TransientError' }]]);
  });

  it('that waits for its tasks already is left alone', async () => {
    const { tick, machine, tables } = prepare({ seconds: 600 });
    const job = jobFactory({ status: 'ENQUEUED', taskToken: 'token-1' });
    tables.jobs.set(job.jobId, { job, counters: countersFactory() });

    await tick();

    expect(machine.started.size).toBe(0);
  });
});

describe('a fleet with work', () => {
  it('gets as many machines as drain it in time, and rows that say what they are', async () => {
    const { tick, work, store, running } = prepare();
    await work(3);

    const [scaled] = await tick();

    expect(scaled).toMatchObject({ fleet: 'default', launched: 3, terminated: 0, plan: { wanted: 3, launch: 3 } });
    expect(running()).toBe(3);
    const { state, instances } = await store.read('default');
    expect(instances).toHaveLength(3);
    expect(instances[0]).toMatchObject({
      state: 'BOOTING',
      provider: 'memory',
      intentId: 'intent-1',
      instanceType: 'c7g.medium',
      requestedAt: at(60),
      readyDeadlineAt: at(60 + 300 + 180),
      expiresAt: at(60 + 86_400),
    });
    expect(state.intents).toEqual([]);
  });

  it('tells its machines all that they need to know', async () => {
    const { tick, work, provider } = prepare();
    await work(1);

    await tick();

    const [machine] = provider.machines.values();
    expect(machine?.request.environment).toEqual({
      AWS_REGION: 'eu-central-1',
      SHOAL_STAGE: 'test',
      SHOAL_FLEET: 'default',
      SHOAL_PROVIDER: 'aws',
      SHOAL_SLOTS: '1',
      SHOAL_SLOT_VCPU: '1',
      SHOAL_SLOT_MEMORY_MIB: '1024',
      SHOAL_SLOT_DISK_GIB: '5',
      SHOAL_IDLE_SECONDS: '30',
      SHOAL_MAX_LIFETIME_SECONDS: '86400',
      SHOAL_QUEUE_URL_PREFIX: 'https://sqs/',
      SHOAL_STATUS_QUEUE_URL: 'https://sqs/status',
      SHOAL_BUCKET: 'bucket',
      SHOAL_AGENT_URL: 'https://bucket/agent',
      SHOAL_AGENT_SHA256: 'abc',
      SHOAL_READY_DEADLINE_SECONDS: '300',
    });
  });

  it('counts machines by their slots, and tasks by the slots they take', async () => {
    const many = prepare({ slotsPerInstance: 4 });
    await many.work(9);
    const wide = prepare({ slotsPerInstance: 4 });
    await wide.work(9, { resources: { vcpu: 1, memoryMiB: 2_048, diskGiB: 5 } });

    await many.tick();
    await wide.tick();

    expect([many.running(), wide.running()]).toEqual([3, 5]);
    const [machine] = many.provider.machines.values();
    expect(machine?.request.environment).toMatchObject({ SHOAL_SLOTS: '4' });
    expect((await many.store.read('default')).instances[0]).toMatchObject({ slots: 4 });
  });

  it('is not topped up at the next tick, nor beyond its maximum (lessons 22 and 26)', async () => {
    const { tick, work, clock, running } = prepare({ fleets: { default: { provider: 'aws', maxInstances: 4 } } });
    await work(9);

    await tick();
    clock.advance(60);
    await tick();

    expect(running()).toBe(4);
  });

  it('counts what is leased as work, and the queues of all priorities (lesson 28)', async () => {
    const { tick, work, queues, store, provider } = prepare();
    await work(1, { priority: 'high', expectedSeconds: 600 }, { running: 1 });
    await work(1, { priority: 'low', expectedSeconds: 600, jobId: jobIdFactory(2) });
    await queues('default', 'high').receive({ maxMessages: 10, waitSeconds: 0, leaseSeconds: 600 });
    const { launched } = await provider.launch({ fleet: 'default', intentId: 'old', count: 1, environment: {} });
    await store.addInstances([instanceFactory({ instanceId: launched[0]?.instanceId ?? '', state: 'READY' })]);

    const [scaled] = await tick();

    expect(scaled?.plan).toMatchObject({ wanted: 2, launch: 1 });
  });

  it('counts what was put on a queue before its job had another priority', async () => {
    const { tick, work, jobs, running } = prepare();
    const job = await work(2);

    await jobs.amend(job, { priority: 'high' });
    await tick();

    expect(running()).toBe(2);
  });

  it('wants by the measured seconds of its tasks, else by the expected ones', async () => {
    const measured = prepare();
    await measured.work(12, { taskCount: 14, expectedSeconds: 600 }, { completed: 2, completedSeconds: 10 });
    const expected = prepare();
    await expected.work(12, { expectedSeconds: 10 });

    expect((await measured.tick())[0]?.plan.wanted).toBe(1); // 12 × 5 s in 60 s
    expect((await expected.tick())[0]?.plan.wanted).toBe(2); // 12 × 10 s in 60 s
  });

  it.each<Job['status']>(['CANCELLING', 'CANCELLED', 'FAILED'])(
    'wants nothing for a job that is %s',
    async (status) => {
      const { tick, work, ports, running } = prepare();
      const { jobId } = await work(3, { status });

      // The index of open jobs is eventually consistent: it may still name a job that is closed.
      const stale = Object.assign(Object.create(ports.jobs), { listOpen: async () => [jobId] });
      const [scaled] = await tick({ jobs: stale });

      expect(scaled?.plan).toMatchObject({ wanted: 0, launch: 0 });
      expect(running()).toBe(0);
    },
  );

  it('writes its plan only when it says something new', async () => {
    const { tick, work, clock, calls, plan } = prepare({ fleets: { default: { provider: 'aws', maxInstances: 1 } } });
    await work(1);
    await tick();
    clock.advance(60);
    await tick();
    const told = await plan();
    calls.length = 0;

    clock.advance(60);
    await tick();

    expect(calls).not.toContain('writeState');
    expect(await plan()).toEqual(told);
  });

  it('ignores a job that is gone since the index was read', async () => {
    const { tick, ports } = prepare();
    const jobs = Object.assign(Object.create(ports.jobs), { listOpen: async () => [jobIdFactory(9)] });

    expect(await tick({ jobs })).toEqual([]);
  });
});

describe('a launch', () => {
  it('is written as an intent before anything is launched (lesson 25)', async () => {
    const { tick, work, provider, store } = prepare();
    await work(2);
    const launch = provider.launch.bind(provider);
    let written: unknown;
    provider.launch = async (request) => {
      written = (await store.read('default')).state.intents;
      return launch(request);
    };

    await tick();

    expect(written).toEqual([{ intentId: 'intent-1', count: 2, createdAt: at(60), expiresAt: at(180) }]);
  });

  it('that loses the race to another run launches nothing (lesson 25)', async () => {
    const { tick, work, store, provider } = prepare();
    await work(2);
    store.writeState = async () => false;

    const [scaled] = await tick();

    expect(scaled?.launched).toBe(0);
    expect(provider.machines.size).toBe(0);
  });

  it('by two runs at the same moment happens once (lesson 25)', async () => {
    const { tick, work, running } = prepare();
    await work(3);

    await Promise.all([tick(), tick(), tick()]);

    expect(running()).toBe(3);
  });

  it('that brings fewer machines says why in the plan, and the rest is wanted again (lessons 20 and 21)', async () => {
    const { tick, work, provider, clock, plan, running, store } = prepare({ capacity: 1 });
    await work(3);

    const [first] = await tick();

    expect(first?.launched).toBe(1);
    expect((await plan())?.reasons).toContain('not launched: 2 could not be had');
    expect((await store.read('default')).state.intents).toEqual([]);
    provider.capacity = 10;
    clock.advance(60);
    await tick();
    expect(running()).toBe(3);
  });

  it('whose answer is lost is neither launched again nor lost: its machines are adopted (lesson 25)', async () => {
    const { tick, work, provider, clock, failures, store, running } = prepare();
    await work(3);
    const launch = provider.launch.bind(provider);
    provider.launch = async (request) => {
      await launch(request);
      throw new TransientError('the run died here');
    };
    await tick();
    expect(failures).toHaveLength(1);
    expect((await store.read('default')).instances).toEqual([]);
    provider.launch = launch;
    clock.advance(60);

    const [scaled] = await tick();

    expect(scaled).toMatchObject({ launched: 0 });
    expect(running()).toBe(3);
    const { instances } = await store.read('default');
    expect(instances.map(({ intentId, state, requestedAt }) => [intentId, state, requestedAt])).toEqual(
      Array.from({ length: 3 }, () => ['intent-1', 'BOOTING', at(60)]),
    );
  });

  it('that never happened counts as machines only until its intent expires', async () => {
    const { tick, work, provider, clock, running, plan } = prepare();
    await work(2);
    const launch = provider.launch.bind(provider);
    provider.launch = unavailable;
    await tick();
    provider.launch = launch;

    clock.advance(119);
    await tick();
    expect([running(), (await plan())?.wanted]).toEqual([0, 2]);

    clock.advance(1);
    await tick();
    expect(running()).toBe(2);
  });

  it('that no provider of this version can do is told in the plan', async () => {
    const { tick, work, plan } = prepare();
    await work(2);

    const [scaled] = await tick({ providerOf: () => undefined });

    expect(scaled).toMatchObject({ launched: 0, terminated: 0, plan: { wanted: 2, launch: 0, terminate: [] } });
    expect((await plan())?.reasons).toContain(
      'nothing can be launched at "aws": fleets.yml does not declare that cloud',
    );
  });
});

describe('a machine', () => {
  const withMachine = async (world: ReturnType<typeof prepare>, overrides: Parameters<typeof instanceFactory>[0]) => {
    const outcome = await world.provider.launch({ fleet: 'default', intentId: 'old', count: 1, environment: {} });
    const instanceId = outcome.launched[0]?.instanceId ?? '';
    await world.store.addInstances([instanceFactory({ instanceId, intentId: 'old', ...overrides })]);
    return instanceId;
  };

  it('that was never ready in time is ended, replaced and recorded as failed (lesson 23)', async () => {
    const world = prepare();
    await world.work(1);
    const instanceId = await withMachine(world, { state: 'BOOTING', readyDeadlineAt: at(60) });

    const [scaled] = await world.tick();

    expect(scaled).toMatchObject({ launched: 1, terminated: 1 });
    expect(world.provider.machines.get(instanceId)?.running).toBe(false);
    expect(await world.store.listEnded('default', 1)).toMatchObject([
      { instanceId, state: 'FAILED', stateReason: `${instanceId} was never ready in time`, endedAt: at(60) },
    ]);
  });

  it('past its lifetime is ended even while it drains (lesson 24)', async () => {
    const world = prepare();
    await world.work(1);
    const instanceId = await withMachine(world, { state: 'DRAINING', expiresAt: at(60) });

    await world.tick();

    expect(world.provider.machines.get(instanceId)?.running).toBe(false);
    expect(await world.store.listEnded('default', 1)).toMatchObject([{ instanceId, state: 'TERMINATED' }]);
  });

  it('that works is never ended, however little is left to do (lesson 29)', async () => {
    const world = prepare();
    const machines = ['a', 'b', 'c'].map((instanceId) => instanceFactory({ instanceId, state: 'READY' }));
    await world.store.addInstances(machines);
    const alive = machines.map(({ instanceId }) => ({
      instanceId,
      fleet: 'default',
      intentId: null,
      running: true,
      launchedAt: at(0),
    }));
    world.provider.list = async () => alive;
    await world.work(1);

    const [scaled] = await world.tick();

    expect(scaled).toMatchObject({ launched: 0, terminated: 0 });
    expect((await world.store.read('default')).instances).toHaveLength(3);
  });

  it('that is gone without a goodbye has its row closed, and is replaced', async () => {
    const world = prepare();
    await world.work(1);
    const instanceId = await withMachine(world, { state: 'READY' });
    world.provider.end(instanceId);

    const [scaled] = await world.tick();

    expect(scaled?.launched).toBe(1);
    expect(await world.store.listEnded('default', 9)).toMatchObject([
      { instanceId, state: 'INTERRUPTED', stateReason: 'the machine is gone without a goodbye', endedAt: at(60) },
    ]);
    expect((await world.store.read('default')).instances.map((each) => each.instanceId)).not.toContain(instanceId);
  });

  it('that cannot be ended keeps anything new from being launched: the cost stops first (lesson 33)', async () => {
    const world = prepare();
    await world.work(2);
    await withMachine(world, { state: 'READY', expiresAt: at(60) });
    world.provider.terminate = unavailable;

    expect(await world.tick()).toEqual([]);

    expect(world.failures).toMatchObject([['default', expect.any(TransientError)]]);
    expect(world.provider.machines.size).toBe(1);
  });

  it('is listed once a tick, and not at all while there can be none (lesson 30)', async () => {
    const world = prepare();
    await world.work(1);

    await world.tick();
    expect(world.calls.filter((call) => call === 'list')).toHaveLength(0);
    world.clock.advance(60);
    await world.tick();
    expect(world.calls.filter((call) => call === 'list')).toHaveLength(1);
  });
});

describe('several fleets', () => {
  const fleets = { default: { provider: 'aws' }, large: { provider: 'aws' }, idle: { provider: 'aws' } };

  it('go on when one of them fails', async () => {
    const { tick, work, failures, queues, provider } = prepare({ fleets });
    await work(1);
    await work(1, { fleet: 'large', jobId: jobIdFactory(2) });
    queues('default', 'normal').depth = unavailable;

    const scaled = await tick();

    expect(scaled.map(({ fleet, launched }) => [fleet, launched])).toEqual([['large', 1]]);
    expect(failures).toMatchObject([['default', expect.any(TransientError)]]);
    expect([...provider.machines.values()].map(({ request }) => request.fleet)).toEqual(['large']);
  });

  it('are read only when they have work', async () => {
    const { tick, work, calls } = prepare({ fleets });
    await work(1);

    await tick();

    expect(calls.filter((call) => call === 'read')).toHaveLength(1);
  });

  it('each get the machines for their own jobs', async () => {
    const { tick, work } = prepare({ fleets });
    await work(1);
    await work(3, { fleet: 'large', jobId: jobIdFactory(2) });

    const scaled = await tick();

    expect(scaled.map(({ fleet, launched }) => [fleet, launched])).toEqual([
      ['default', 1],
      ['large', 3],
    ]);
  });
});
