/** No machine is left running that nobody wants, and none is ended that somebody does. */
import { describe, expect, it } from 'vitest';
import { instanceFactory } from '../../test/factories/instance.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { offerFactory } from '../../test/factories/offer.ts';
import { ScalerWorld } from './testing/scaler-world.ts';

/** The deadline, and the time that a late report gets. */
const READY_SECONDS = 900;

describe('a machine that no row knows', () => {
  it('is marked by one pass and ended by the next (lesson 24)', async () => {
    const world = new ScalerWorld();
    await world.work(1);
    await world.tick();
    const stranger = await world.launch('of nobody');

    world.clock.advance(60);
    await world.tick();
    const marked = (await world.store.read('default')).state.suspects;
    const spared = world.isRunning(stranger);
    world.clock.advance(60);
    const [scaled] = await world.tick();

    expect([marked, spared]).toEqual([[{ instanceId: stranger, since: at(120) }], true]);
    expect(world.isRunning(stranger)).toBe(false);
    expect(scaled).toMatchObject({ terminated: 1 });
    expect((await world.plan())?.reasons).toContain(`${stranger} is known to nobody: it was ended`);
  });

  it('is found where there is no work at all, at every tenth minute', async () => {
    const world = new ScalerWorld({ seconds: 0 });
    const stranger = await world.launch('of nobody');

    await world.tick();
    world.clock.advance(300);
    const between = await world.tick();
    world.clock.advance(300);
    await world.tick();

    expect(between).toEqual([]);
    expect(world.isRunning(stranger)).toBe(false);
  });

  it('is found in a fleet that the deployment no longer has', async () => {
    const world = new ScalerWorld({ seconds: 0 });
    const stranger = await world.launch('of nobody', 'removed');
    const known = await world.launch('of somebody', 'removed');
    await world.store.addInstances([instanceFactory({ instanceId: known, fleet: 'removed', state: 'READY' })]);

    await world.tick();
    world.clock.advance(600);
    await world.tick();

    expect([world.isRunning(stranger), world.isRunning(known)]).toEqual([false, true]);
  });

  it('is left alone once it has spoken for itself (lesson 24)', async () => {
    const world = new ScalerWorld();
    await world.work(1);
    await world.tick();
    const stranger = await world.launch('of nobody');
    world.clock.advance(60);
    await world.tick();
    await world.reportReady();

    for (let ticks = 0; ticks < 5; ticks += 1) {
      world.clock.advance(60);
      await world.tick();
    }

    expect(world.isRunning(stranger)).toBe(true);
  });

  it('is looked for once more before it is ended: a row may have come meanwhile (lesson 24)', async () => {
    const world = new ScalerWorld();
    await world.work(1);
    await world.tick();
    const stranger = await world.launch('of nobody');
    world.clock.advance(60);
    await world.tick();
    world.clock.advance(60);
    let reads = 0;

    await world.tick(async (call, work) => {
      if (call === 'read') reads += 1;
      // Between the first look and the last.
      if (call === 'read' && reads === 2) await world.reportReady();
      return work();
    });

    expect(reads).toBeGreaterThan(1);
    expect(world.isRunning(stranger)).toBe(true);
  });

  it('is spared while reports are held up, but not beyond its lifetime', async () => {
    const world = new ScalerWorld({ fleets: { default: { provider: 'aws', maxLifetimeHours: 1 } } });
    await world.work(1);
    await world.tick();
    await world.reportReady();
    const stranger = await world.launch('of nobody');
    world.statusFlow.heldUpSince = world.clock.now();

    for (let minute = 0; minute < 58; minute += 1) {
      world.clock.advance(60);
      await world.tick();
    }
    const spared = world.isRunning(stranger);
    world.clock.advance(240);
    await world.tick();

    expect([spared, world.isRunning(stranger)]).toEqual([true, false]);
  });
});

describe('a machine that somebody stopped', () => {
  it('is ended, for its disk costs on, and is replaced', async () => {
    const world = new ScalerWorld();
    await world.work(1);
    await world.tick();
    await world.reportReady();
    const [instanceId = ''] = world.running();
    const ended: string[] = [];
    const { list, terminate } = world.provider;
    world.provider.list = async (...fleets) =>
      (await list.call(world.provider, ...fleets)).map((each) =>
        each.instanceId === instanceId ? { ...each, running: false, stopped: true } : each,
      );
    world.provider.terminate = async (ids) => {
      ended.push(...ids);
      return terminate.call(world.provider, ids);
    };
    world.clock.advance(60);

    const [scaled] = await world.tick();

    expect(ended).toEqual([instanceId]);
    expect(scaled?.launched).toBe(1);
  });
});

describe('a machine that was not ready in time', () => {
  it('is not ended while its report may still lie in the queue (lesson 24)', async () => {
    const world = new ScalerWorld();
    await world.work(1);
    await world.tick();
    const [instanceId = ''] = world.running();
    world.statusFlow.heldUpSince = new Date(at(100));
    world.clock.advance(1_200);

    await world.tick();
    const spared = world.isRunning(instanceId);
    // The queue is read on, and there was no such report in it.
    world.statusFlow.heldUpSince = null;
    world.clock.advance(60);
    await world.tick();

    expect([spared, world.isRunning(instanceId)]).toEqual([true, false]);
  });

  it('asks nothing of the status queue as long as none is late', async () => {
    const world = new ScalerWorld();
    await world.work(2);
    const calls: string[] = [];

    for (let ticks = 0; ticks < 3; ticks += 1) {
      world.clock.advance(60);
      await world.tick((call, work) => {
        calls.push(call);
        return work();
      });
    }

    expect(calls).not.toContain('appliedUntil');
  });

  it('is ended first, and then asked what it printed (lesson 33)', async () => {
    const world = new ScalerWorld();
    const job = await world.work(1);
    await world.tick();
    const [instanceId = ''] = world.running();
    const runsWhenAsked: boolean[] = [];
    Object.assign(world.provider, {
      consoleTail: async (id: string) => {
        runsWhenAsked.push(world.isRunning(id));
        return 'cloud-init: dnf: no space left on device';
      },
    });
    world.clock.advance(READY_SECONDS);

    await world.tick();

    expect(runsWhenAsked).toEqual([false]);
    expect(await world.store.listEnded('default', 1)).toMatchObject([
      {
        instanceId,
        state: 'FAILED',
        stateReason: expect.stringContaining('its console ends: cloud-init: dnf: no space left'),
      },
    ]);
    // One machine that does not boot is no reason to alarm anybody.
    expect(world.tables.jobs.get(job.jobId)?.job.problem).toBeNull();
  });

  it('is ended and recorded where its console cannot be had', async () => {
    const world = new ScalerWorld();
    await world.work(1);
    await world.tick();
    Object.assign(world.provider, { consoleTail: () => Promise.reject(new Error('not now')) });
    world.clock.advance(READY_SECONDS);

    await world.tick();

    expect(world.failures).toEqual([]);
    expect(await world.store.listEnded('default', 1)).toMatchObject([{ state: 'FAILED' }]);
  });
});

describe('a fleet whose machines do not boot', () => {
  /** Ticks minute by minute; nothing that is launched ever says a word. */
  async function silent(world: ScalerWorld, minutes: number) {
    const launches: number[] = [];
    const breakers = new Set<string>();
    for (let minute = 0; minute < minutes; minute += 1) {
      const [scaled] = await world.tick();
      if (scaled?.launched) launches.push(minute);
      breakers.add(scaled?.breaker ?? '');
      world.clock.advance(60);
    }
    return { launches, breakers };
  }

  /** Ticks until nothing is launched any more. */
  async function untilOpen(world: ScalerWorld): Promise<void> {
    for (let minute = 0; minute < 60; minute += 1) {
      const [scaled] = await world.tick();
      if (scaled?.breaker === 'open') return;
      world.clock.advance(60);
    }
  }

  it('stops launching after three in a row, tries one now and then, and costs little (lesson 23)', async () => {
    const world = new ScalerWorld({ fleets: { default: { provider: 'aws', maxInstances: 20 } } });
    await world.work(20);

    const { launches, breakers } = await silent(world, 240);

    expect(breakers).toEqual(new Set(['closed', 'open', 'half-open']));
    // Twenty at first, whose failure is known some minutes later; from then on one at a time, an hour between them.
    expect(world.provider.machines.size).toBeLessThanOrEqual(20 + 5);
    expect(launches.length).toBeGreaterThan(2);
    expect(world.running().length).toBeLessThanOrEqual(1);
  });

  it('says so in its plan and on its jobs, with what the last machine printed', async () => {
    const world = new ScalerWorld({ fleets: { default: { provider: 'aws', maxInstances: 3 } } });
    const job = await world.work(3);
    Object.assign(world.provider, { consoleTail: async () => 'no route to host' });

    await untilOpen(world);

    const problem = world.tables.jobs.get(job.jobId)?.job.problem;
    expect(problem).toMatchObject({ taskId: null, reason: expect.stringContaining('no route to host') });
    expect((await world.plan())?.reasons.join('\n')).toMatch(
      /nothing is launched until .*: 3 machines in a row did not boot; the last one: .*no route to host/,
    );
  });

  it('launches as before once one boots', async () => {
    const world = new ScalerWorld({ fleets: { default: { provider: 'aws', maxInstances: 5 } } });
    await world.work(5);
    await untilOpen(world);
    world.clock.advance(3_600);

    await world.tick();
    const trial = world.running().length;
    await world.reportReady();
    world.clock.advance(60);
    await world.tick();

    expect(trial).toBe(1);
    expect(world.running()).toHaveLength(5);
  });
});

describe('a list that was long in coming', () => {
  it('speaks of the time at which it was asked: a machine as young as that may be missing (lesson 24)', async () => {
    const world = new ScalerWorld();
    await world.work(1);
    await world.tick();
    const [instanceId = ''] = world.running();
    world.clock.advance(50);

    await world.tick(async (call, work) => {
      const answer = await work();
      if (call !== 'list') return answer;
      // The answer is of a moment before the launch, and takes longer than a machine may be missing.
      world.clock.advance(20);
      return [];
    });

    expect((await world.store.findMany(['default'], [instanceId])).get(instanceId)?.state).toBe('BOOTING');
    expect(world.running()).toEqual([instanceId]);
  });
});

describe('a fleet that rents', () => {
  const spot = offerFactory({ vcpus: 4, memoryMiB: 8_192, instanceType: 'c7g.xlarge', hourlyPriceUsd: 0.06 });
  const onDemand = offerFactory({ ...spot, market: 'on-demand', hourlyPriceUsd: 0.14, interruptionsPerHour: 0 });
  const fleetOf = (market: string) => ({
    default: { provider: 'aws', market, slot: { vcpu: 1, memoryMiB: 1_024, diskGiB: 1 } },
  });

  it('counts machines by the slots of the chosen type, and records its price', async () => {
    const world = new ScalerWorld({ offers: [spot], fleets: fleetOf('spot') });
    await world.work(8);

    await world.tick();

    const { instances } = await world.store.read('default');
    // With the disk that its slots need.
    const machine = { instanceType: 'c7g.xlarge', slots: 4, hourlyPriceUsd: expect.closeTo(0.06, 3) };
    expect(instances).toMatchObject([machine, machine]);
  });

  it('turns to on-demand machines at the next tick when there is no spot capacity (lesson 20)', async () => {
    const world = new ScalerWorld({ offers: [spot, onDemand], fleets: fleetOf('spot-then-on-demand') });
    await world.work(4);
    world.provider.capacity = 0;
    await world.tick();
    world.provider.capacity = 10;
    world.clock.advance(60);

    await world.tick();

    const { instances, state } = await world.store.read('default');
    expect(instances.map((each) => each.hourlyPriceUsd)).toEqual([expect.closeTo(0.14, 3)]);
    expect(state.stockOuts).toMatchObject([{ pool: 'c7g.xlarge/us-east-1a/spot' }]);
  });

  it('that takes spot machines only goes on asking, and its jobs say why they wait (lesson 20)', async () => {
    const world = new ScalerWorld({ offers: [spot, onDemand], fleets: fleetOf('spot') });
    const job = await world.work(4);
    world.provider.capacity = 0;
    await world.tick();
    const problem = world.tables.jobs.get(job.jobId)?.job.problem;
    world.provider.capacity = 10;
    world.clock.advance(60);

    await world.tick();

    expect(problem?.reason).toBe('no machine could be had: 1 could not be had');
    expect((await world.store.read('default')).instances.map((each) => each.hourlyPriceUsd)).toEqual([
      expect.closeTo(0.06, 3),
    ]);
  });

  it('says on its jobs when nothing on offer fits it, and asks for nothing', async () => {
    const world = new ScalerWorld({ offers: [onDemand], fleets: fleetOf('spot') });
    const job = await world.work(4);

    await world.tick();

    expect(world.provider.machines.size).toBe(0);
    const told =
      'no machine on offer fits the fleet: of 1 of 1 it is said that it is on-demand, the fleet takes spot only';
    expect(world.tables.jobs.get(job.jobId)?.job.problem?.reason).toBe(told);
    expect((await world.plan())?.reasons).toContain(told);
  });

  it('launches nothing without prices, but ends what must end all the same (lesson 33)', async () => {
    const world = new ScalerWorld({ offers: [spot], fleets: fleetOf('spot') });
    await world.work(4);
    await world.tick();
    const [late = ''] = world.running();
    if (world.offers) world.offers.unreachable = true;
    world.clock.advance(READY_SECONDS);

    const [scaled] = await world.tick();

    expect(world.failures).toEqual([]);
    expect([scaled?.launched, world.isRunning(late)]).toEqual([0, false]);
    expect((await world.plan())?.reasons.join('\n')).toContain('nothing is launched without prices: the price list');
  });
});
