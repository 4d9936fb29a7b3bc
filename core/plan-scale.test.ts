import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { instanceFactory, launchIntentFactory } from '../test/factories/instance.ts';
import { at, START } from '../test/factories/manual-clock.ts';
import { hasEnded, INSTANCE_STATES, type Instance, type InstanceState } from './instance.ts';
import { type OpenWork, planScale, type ScaleLimits, type ScaleSnapshot } from './plan-scale.ts';

const limits: ScaleLimits = {
  minInstances: 0,
  maxInstances: 10,
  slotsPerInstance: 1,
  drainTargetSeconds: 300,
  unknownSecondsPerTask: 60,
  hourlyPriceUsd: 0.012,
  bootSeconds: 60,
  idleSeconds: 60,
};
const job = (overrides: Partial<OpenWork> = {}): OpenWork => ({
  jobId: 'job_1',
  openTasks: 10,
  secondsPerTask: 60,
  maxInstances: null,
  ...overrides,
});
const snapshot = (overrides: Partial<ScaleSnapshot> = {}): ScaleSnapshot => ({
  now: new Date(START),
  depth: { visible: 10, inFlight: 0, delayed: 0 },
  jobs: [job()],
  instances: [],
  intents: [],
  ...overrides,
});
const machines = (states: readonly InstanceState[], overrides: Partial<Instance> = {}): Instance[] =>
  states.map((state, index) => instanceFactory({ instanceId: `i-${index}`, intentId: null, state, ...overrides }));

const anyCount = fc.nat(200);
const anyInstance = (index: number) =>
  fc
    .record({
      state: fc.constantFrom(...INSTANCE_STATES),
      intentId: fc.constantFrom(null, 'intent-0', 'intent-1'),
      readySeconds: fc.integer({ min: -600, max: 600 }),
      expirySeconds: fc.integer({ min: -600, max: 86_400 }),
    })
    .map(({ state, intentId, readySeconds, expirySeconds }) =>
      instanceFactory({
        instanceId: `i-${index}`,
        state,
        intentId,
        readyDeadlineAt: at(readySeconds),
        expiresAt: at(expirySeconds),
      }),
    );
const anyInstances = fc.nat(12).chain((count) => fc.tuple(...Array.from({ length: count }, (_, i) => anyInstance(i))));
const anyIntents = fc
  .array(fc.record({ count: fc.integer({ min: 1, max: 5 }), seconds: fc.integer({ min: -60, max: 600 }) }), {
    maxLength: 3,
  })
  .map((intents) =>
    intents.map(({ count, seconds }, index) =>
      launchIntentFactory({ intentId: `intent-${index}`, count, expiresAt: at(seconds) }),
    ),
  );
const anyJob = fc.record({
  jobId: fc.uuid(),
  openTasks: anyCount,
  running: fc.nat(30),
  secondsPerTask: fc.option(fc.double({ min: 0, max: 40_000, noNaN: true })),
  slotsPerTask: fc.constantFrom(0.5, 1, 2),
  maxInstances: fc.option(fc.integer({ min: 1, max: 20 })),
  deadlineAt: fc.option(fc.integer({ min: -600, max: 40_000 }).map((seconds) => at(seconds))),
  budgetLeftUsd: fc.option(fc.double({ min: -1, max: 1, noNaN: true })),
  troubled: fc.boolean(),
});
const anySnapshot: fc.Arbitrary<ScaleSnapshot> = fc.record({
  now: fc.constant(new Date(START)),
  depth: fc.option(fc.record({ visible: anyCount, inFlight: anyCount, delayed: anyCount }), { freq: 3 }),
  jobs: fc.array(anyJob, { maxLength: 4 }),
  instances: anyInstances,
  intents: anyIntents,
});
const anyLimits: fc.Arbitrary<ScaleLimits> = fc
  .record({
    minInstances: fc.nat(20),
    maxInstances: fc.integer({ min: 1, max: 20 }),
    slotsPerInstance: fc.integer({ min: 1, max: 8 }),
    drainTargetSeconds: fc.integer({ min: 1, max: 3_600 }),
    unknownSecondsPerTask: fc.integer({ min: 1, max: 600 }),
    hourlyPriceUsd: fc.constantFrom(0, 0.012, 0.2),
    bootSeconds: fc.integer({ min: 1, max: 300 }),
    idleSeconds: fc.integer({ min: 1, max: 300 }),
  })
  .map((any) => ({ ...any, minInstances: Math.min(any.minInstances, any.maxInstances) }));

/** Machines asked for and not found yet. */
const askedFor = ({ intents, instances, now }: ScaleSnapshot): number =>
  intents
    .filter((intent) => Date.parse(intent.expiresAt) > now.getTime())
    .map((intent) => intent.count - instances.filter((each) => each.intentId === intent.intentId).length)
    .reduce((sum, missing) => sum + Math.max(0, missing), 0);

describe('a scale plan', () => {
  it('is never negative, and of whole machines (lesson 31)', () => {
    fc.assert(
      fc.property(anySnapshot, anyLimits, (any, anyBounds) => {
        const plan = planScale(any, anyBounds);

        for (const count of [plan.wanted, plan.launch]) {
          expect(Number.isInteger(count)).toBe(true);
          expect(count).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  it('never goes over the limit: what runs, what was asked for and what it launches stay within the maximum', () => {
    fc.assert(
      fc.property(anySnapshot, anyLimits, (any, anyBounds) => {
        const plan = planScale(any, anyBounds);

        const present = any.instances.filter((each) => !hasEnded(each.state)).length;
        if (plan.launch > 0) {
          expect(present + askedFor(any) + plan.launch).toBeLessThanOrEqual(anyBounds.maxInstances);
        }
        expect(plan.wanted).toBeLessThanOrEqual(anyBounds.maxInstances);
        const open = any.jobs.some((job) => job.openTasks > 0);
        expect(plan.wanted).toBeGreaterThanOrEqual(open ? anyBounds.minInstances : 0);
      }),
    );
  });

  it('never wants fewer machines for more work', () => {
    const more = fc.record({ tasks: anyCount, seconds: fc.double({ min: 0, max: 1_000, noNaN: true }) });
    fc.assert(
      fc.property(anySnapshot, anyLimits, more, anyJob, (any, anyBounds, { tasks, seconds }, another) => {
        const before = planScale(any, anyBounds).wanted;
        const { depth } = any;

        const deeper = { ...any, depth: depth && { ...depth, visible: depth.visible + tasks } };
        const slower = {
          ...any,
          jobs: any.jobs.map((each) => ({
            ...each,
            secondsPerTask: (each.secondsPerTask ?? anyBounds.unknownSecondsPerTask) + seconds,
          })),
        };
        const oneJobMore = {
          ...any,
          jobs: [...any.jobs, another],
          depth: depth && { ...depth, visible: depth.visible + another.openTasks },
        };

        for (const wider of [deeper, slower, oneJobMore]) {
          expect(planScale(wider, anyBounds).wanted).toBeGreaterThanOrEqual(before);
        }
      }),
    );
  });

  it('launches nothing when there is a machine for each task (lesson 26)', () => {
    fc.assert(
      fc.property(anySnapshot, anyLimits, (any, anyBounds) => {
        const working = any.instances.filter(
          (each) =>
            ['REQUESTED', 'BOOTING', 'READY'].includes(each.state) &&
            Date.parse(each.readyDeadlineAt) > any.now.getTime() &&
            Date.parse(each.expiresAt) > any.now.getTime(),
        ).length;
        const jobs = any.jobs.map((each) => ({ ...each, slotsPerTask: 1 }));
        const few = { ...any, jobs, depth: { visible: working, inFlight: 0, delayed: 0 } };

        expect(planScale(few, { ...anyBounds, minInstances: 0 }).launch).toBe(0);
      }),
    );
  });

  it('ends only machines that never became ready or are past their lifetime (promise 4)', () => {
    fc.assert(
      fc.property(anySnapshot, anyLimits, (any, anyBounds) => {
        const plan = planScale(any, anyBounds);

        const overdue = any.instances.filter((each) => {
          const expired = Date.parse(each.expiresAt) <= any.now.getTime();
          const neverReady =
            ['REQUESTED', 'BOOTING'].includes(each.state) && Date.parse(each.readyDeadlineAt) <= any.now.getTime();
          return !hasEnded(each.state) && (expired || neverReady);
        });
        expect(plan.terminate.map((entry) => entry.instanceId)).toEqual(overdue.map((each) => each.instanceId));
      }),
    );
  });

  it('wants nothing, and says why, when there is no work', () => {
    const plan = planScale(snapshot({ depth: { visible: 0, inFlight: 0, delayed: 0 } }), limits);

    expect(plan).toMatchObject({ wanted: 0, launch: 0, terminate: [] });
    expect(plan.reasons[0]).toBe('no work on the queues');
  });

  it('has machines boot while the queue fills', () => {
    const filling = (depth: number, overrides = {}) =>
      planScale(
        snapshot({
          depth: { visible: depth, inFlight: 0, delayed: 0 },
          jobs: [job({ secondsPerTask: 3_600, isFilling: true, openTasks: 3 })],
          ...overrides,
        }),
        limits,
      );

    expect([0, 1, 3, 10].map((depth) => filling(depth).launch)).toEqual([3, 3, 3, 3]);
    expect(filling(0).reasons[0]).toMatch(/^3 tasks wait/);
    expect(filling(0, { instances: machines(['BOOTING', 'BOOTING', 'BOOTING']) }).launch).toBe(0);
  });

  it('takes messages of closed jobs for no work', () => {
    const plan = planScale(snapshot({ jobs: [] }), limits);

    expect(plan.launch).toBe(0);
    expect(plan.reasons[0]).toBe('10 messages on the queues, but no open task for them');
  });

  it.each([
    ['one short task needs one machine', 1, 1, 1, 1],
    ['ten minutes of work need two machines', 10, 60, 1, 2],
    ['slots share the work', 10, 60, 2, 1],
    ['three long tasks need three machines, not the maximum', 3, 3_600, 1, 3],
    ['three long tasks need two machines of two slots', 3, 3_600, 2, 2],
    ['much work meets the maximum', 1_000, 600, 1, 10],
  ])('%s', (_what, tasks, secondsPerTask, slotsPerInstance, wanted) => {
    const plan = planScale(
      snapshot({
        depth: { visible: tasks, inFlight: 0, delayed: 0 },
        jobs: [job({ openTasks: tasks, secondsPerTask })],
      }),
      { ...limits, slotsPerInstance },
    );

    expect(plan).toMatchObject({ wanted, launch: wanted });
  });

  it('tells one task and one machine as one', () => {
    const depth = { visible: 1, inFlight: 0, delayed: 0 };
    const jobs = [job({ openTasks: 1, maxInstances: 1, secondsPerTask: 60 })];

    expect(planScale(snapshot({ depth, jobs }), { ...limits, slotsPerInstance: 2 }).reasons[0]).toMatch(
      /^1 task waits, about 60 s of work: 1 more machine of 2 slots can finish it within/,
    );
    expect(planScale(snapshot({ depth, jobs: [] }), limits).reasons[0]).toBe(
      '1 message on the queues, but no open task for it',
    );
  });

  it('counts leased tasks as work: a fleet that is busy is wanted (lesson 28)', () => {
    const depth = { visible: 0, inFlight: 2, delayed: 0 };
    const busy = planScale(snapshot({ depth, instances: machines(['READY', 'READY']) }), limits);

    expect(busy).toMatchObject({ wanted: 2, launch: 0 });
    expect(busy.reasons[0]).toBe('every task on the queues is being worked on');
  });

  it('launches nothing for phantom work: leases of machines that are gone, retries due far off, closed jobs', () => {
    const plans = [
      { depth: { visible: 0, inFlight: 10, delayed: 0 } },
      { depth: { visible: 0, inFlight: 10, delayed: 0 }, instances: machines(['INTERRUPTED', 'BOOTING']) },
      { depth: { visible: 0, inFlight: 0, delayed: 10 } },
      { jobs: [job({ openTasks: 0 })] },
      { jobs: [job({ budgetLeftUsd: 0 })] },
    ].map((each) => planScale(snapshot(each), limits));

    expect(plans.map(({ launch }) => launch)).toEqual([0, 0, 0, 0, 0]);
    expect(plans.map(({ reasons }) => reasons[0])).toEqual([
      '10 tasks are leased by machines that are gone: back when the leases end',
      '10 tasks are leased by machines that are gone: back when the leases end',
      '10 tasks wait for their time',
      '10 messages on the queues, but no open task for them',
      '10 messages on the queues, but no open task for them',
    ]);
  });

  describe('of queues that do not tell their depth', () => {
    const untold = (overrides: Partial<ScaleSnapshot> = {}) =>
      planScale(snapshot({ depth: null, ...overrides }), limits);

    it('takes every open task for one that waits', () => {
      expect(untold()).toEqual(planScale(snapshot({ depth: { visible: 10, inFlight: 0, delayed: 0 } }), limits));
    });

    it('takes what living machines can hold for held', () => {
      const busy = untold({ jobs: [job({ openTasks: 2 })], instances: machines(['READY', 'READY']) });

      expect(busy).toMatchObject({ wanted: 2, launch: 0 });
      expect(busy.reasons[0]).toBe('every open task is being worked on, as far as can be counted');
    });

    it('wants nothing when nothing is open', () => {
      const idle = untold({ jobs: [job({ openTasks: 0 })], instances: machines(['READY']) });

      expect(idle).toMatchObject({ wanted: 0, launch: 0 });
      expect(idle.reasons[0]).toBe('no open task');
    });
  });

  it('launches nothing for three tasks that a running machine finishes sooner (lesson 26)', () => {
    const three = { depth: { visible: 3, inFlight: 1, delayed: 0 }, jobs: [job({ openTasks: 4, secondsPerTask: 10 })] };
    const hasty = { ...limits, drainTargetSeconds: 1 };

    expect(planScale(snapshot({ ...three, instances: machines(['READY']) }), hasty).launch).toBe(0);
    expect(planScale(snapshot(three), hasty).launch).toBe(3);
  });

  it('launches for what waits behind long tasks, not for what those will make way for in time', () => {
    const waiting = (seconds: number) =>
      snapshot({
        depth: { visible: 1, inFlight: 2, delayed: 0 },
        jobs: [job({ openTasks: 3, running: 2, secondsPerTask: seconds })],
        instances: machines(['READY', 'READY']),
      });

    expect(planScale(waiting(20), limits).launch).toBe(0);
    expect(planScale(waiting(3_600), limits).launch).toBe(1);
  });

  it('aims at a deadline: more machines for a near one, fewer for a far one, and the drain target without', () => {
    const due = (deadlineAt: string | null, over: Partial<OpenWork> = {}) =>
      planScale(
        snapshot({
          depth: { visible: 100, inFlight: 0, delayed: 0 },
          jobs: [job({ openTasks: 100, secondsPerTask: 60, deadlineAt, ...over })],
        }),
        { ...limits, maxInstances: 100 },
      ).launch;

    expect([due(at(3_660)), due(null), due(at(160)), due(at(-5))]).toEqual([2, 20, 71, 100]);
  });

  it('meets the nearest of several deadlines, and lets the rest wait', () => {
    const jobs = [
      job({ jobId: 'job_1', openTasks: 10, secondsPerTask: 60, deadlineAt: at(412.95) }),
      job({ jobId: 'job_2', openTasks: 90, secondsPerTask: 60, deadlineAt: at(86_400) }),
    ];
    const depth = { visible: 100, inFlight: 0, delayed: 0 };

    expect(planScale(snapshot({ depth, jobs }), limits).launch).toBe(2);
  });

  it('gives a job with trouble one machine, until a task of it ends', () => {
    const work = (troubled: boolean) =>
      snapshot({ depth: { visible: 100, inFlight: 0, delayed: 0 }, jobs: [job({ openTasks: 100, troubled })] });

    const plan = planScale(work(true), limits);

    expect([plan.launch, planScale(work(false), limits).launch]).toEqual([1, 10]);
    expect(plan.reasons.join()).toContain('job_1 has trouble on its machines and nothing finished since');
  });

  it('keeps the one machine for a job with trouble beside others that have none', () => {
    const depth = { visible: 105, inFlight: 0, delayed: 0 };
    const jobs = [
      job({ jobId: 'job_1', openTasks: 100, secondsPerTask: 3_600, troubled: true }),
      job({ openTasks: 5 }),
    ];

    expect(planScale(snapshot({ depth, jobs }), limits).launch).toBe(3);
  });

  it('launches no more than the budgets still pay for, those that run included', () => {
    const work = (budgetLeftUsd: number | null, instances: Instance[] = []) =>
      snapshot({
        depth: { visible: 1_000, inFlight: 0, delayed: 0 },
        jobs: [job({ openTasks: 1_000, secondsPerTask: 600, budgetLeftUsd })],
        instances,
      });
    const dear = { ...limits, hourlyPriceUsd: 3.6 };

    // One boots for 60 s, works for 300 s, idles for 60 s: 42 cents.
    expect(planScale(work(null), dear).launch).toBe(10);
    expect(planScale(work(2), dear).launch).toBe(4);
    expect(planScale(work(0.4), dear).launch).toBe(0);
    expect(planScale(work(2, machines(['READY', 'READY'], { hourlyPriceUsd: 3.6 })), dear).launch).toBe(3);
    expect(planScale(work(2), dear).reasons.at(-1)).toBe('6 more would exceed what is left of the budget, $2.00');
  });

  it('counts on the boots that it saw', () => {
    const seen = machines(['READY'], { readyAt: at(200), expiresAt: at(86_400) });
    const soon = { depth: { visible: 4, inFlight: 0, delayed: 0 }, jobs: [job({ openTasks: 4, secondsPerTask: 60 })] };
    const hasty = { ...limits, drainTargetSeconds: 30 };

    expect(planScale(snapshot({ ...soon, instances: machines(['READY']) }), hasty).launch).toBeGreaterThan(0);
    expect(planScale(snapshot({ ...soon, now: new Date(at(200)), instances: seen }), hasty).launch).toBe(0);
  });

  it('has nothing to add to itself: what it launches, it wants, and no more', () => {
    fc.assert(
      fc.property(anySnapshot, anyLimits, (any, anyBounds) => {
        const fresh = { ...any, intents: [], instances: any.instances.filter(({ state }) => hasEnded(state)) };
        const plan = planScale(fresh, anyBounds);
        const started = Array.from({ length: plan.launch }, (_, index) =>
          instanceFactory({
            instanceId: `i-new-${index}`,
            state: 'BOOTING',
            slots: anyBounds.slotsPerInstance,
            hourlyPriceUsd: anyBounds.hourlyPriceUsd,
            expiresAt: at(90_000),
          }),
        );

        expect(planScale({ ...fresh, instances: started }, anyBounds).launch).toBe(0);
      }),
    );
  });

  it('costs as much more as there is more to plan, and under a second for thirty fleets with 2,000 machines', () => {
    const states: InstanceState[] = ['READY', 'BOOTING', 'DRAINING'];
    const instances = Array.from({ length: 2_000 }, (_, index) =>
      instanceFactory({
        instanceId: `i-${index}`,
        state: states[index % 3] ?? 'READY',
        intentId: `intent-${index % 50}`,
      }),
    );
    const intents = Array.from({ length: 50 }, (_, index) =>
      launchIntentFactory({ intentId: `intent-${index}`, count: 99 }),
    );
    const jobs = Array.from({ length: 200 }, (_, index) => job({ jobId: `job_${index}`, deadlineAt: at(600 + index) }));
    const large = snapshot({ depth: { visible: 2_000, inFlight: 900, delayed: 0 }, jobs, instances, intents });

    const before = process.cpuUsage();
    for (let fleet = 0; fleet < 30; fleet += 1) planScale(large, { ...limits, maxInstances: 10_000 });
    const { user, system } = process.cpuUsage(before);

    expect((user + system) / 1_000_000).toBeLessThan(1);
  });

  it('counts machines that boot or are asked for, so that an overlapping tick launches nothing (lesson 22)', () => {
    const booting = snapshot({ instances: machines(['REQUESTED', 'BOOTING']) });
    const asked = snapshot({ intents: [launchIntentFactory({ count: 2 })] });
    const found = snapshot({
      intents: [launchIntentFactory({ count: 2 })],
      instances: machines(['BOOTING', 'READY'], { intentId: 'intent-1' }),
    });

    expect([booting, asked, found].map((each) => planScale(each, limits).launch)).toEqual([0, 0, 0]);
  });

  it('forgets an intent that expired', () => {
    const expired = snapshot({ intents: [launchIntentFactory({ count: 2, expiresAt: START })] });

    expect(planScale(expired, limits).launch).toBe(2);
  });

  it('replaces a draining machine, but within the maximum', () => {
    const draining = snapshot({ instances: machines(['DRAINING', 'READY']) });

    expect(planScale(draining, limits).launch).toBe(1);
    expect(planScale(draining, { ...limits, maxInstances: 2 }).launch).toBe(0);
  });

  it('does not replace a machine that is being ended before it is gone, at the maximum', () => {
    const overdue = snapshot({ instances: machines(['BOOTING'], { readyDeadlineAt: START }) });

    const plan = planScale(overdue, { ...limits, maxInstances: 1 });

    expect(plan).toMatchObject({ launch: 0, terminate: [{ instanceId: 'i-0' }] });
    expect(plan.reasons).toContain('i-0 was never ready in time');
  });

  it('keeps to the bounds of the jobs together', () => {
    const work = (bounds: (number | null)[]) =>
      snapshot({
        depth: { visible: 1_000, inFlight: 0, delayed: 0 },
        jobs: bounds.map((maxInstances) => job({ openTasks: 500, secondsPerTask: 600, maxInstances })),
      });

    expect(planScale(work([2, 3]), limits)).toMatchObject({ wanted: 5 });
    expect(planScale(work([2, null]), limits)).toMatchObject({ wanted: 10 });
    expect(planScale(work([2, 3]), limits).reasons).toContain('the jobs allow at most 5 machines');
  });

  it('does not let a job without open tasks lift the bound of another', () => {
    const work = snapshot({
      depth: { visible: 500, inFlight: 0, delayed: 0 },
      jobs: [job({ openTasks: 500, secondsPerTask: 600, maxInstances: 2 }), job({ openTasks: 0 })],
    });

    expect(planScale(work, limits).wanted).toBe(2);
  });

  it('counts of a job only the share that is on the queues: the rest is not published yet', () => {
    const work = snapshot({ jobs: [job({ openTasks: 100, secondsPerTask: 60 })] });

    expect(planScale(work, limits).wanted).toBe(2);
  });

  it('replaces a machine that is being ended at once, where there is room', () => {
    const overdue = snapshot({ instances: machines(['READY', 'READY'], { expiresAt: START }) });

    expect(planScale(overdue, limits)).toMatchObject({ wanted: 2, launch: 2, terminate: [{}, {}] });
  });

  it('keeps the fleet’s minimum while a job is open, and no longer: an idle minimum would only cost (lesson 27)', () => {
    const empty = { depth: { visible: 0, inFlight: 0, delayed: 0 }, instances: machines(['READY']) };
    const waiting = snapshot({ ...empty, jobs: [job({ openTasks: 1 })] });

    expect(planScale(waiting, { ...limits, minInstances: 2 })).toMatchObject({ wanted: 2, launch: 1 });
    expect(planScale(snapshot({ ...empty, jobs: [] }), { ...limits, minInstances: 2 })).toMatchObject({ launch: 0 });
  });
});
