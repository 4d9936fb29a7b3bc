import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { apportion, type Candidate, type PlacedWork, placeTasks } from './place-tasks.ts';

const candidate = (fleet: string, overrides: Partial<Candidate> = {}): Candidate => ({
  fleet,
  usdPerTask: 0.001,
  reason: 'the least that fits',
  unavailable: null,
  tasksAtOnce: 2,
  maxInstances: 10,
  bootSeconds: 60,
  drainTargetSeconds: 900,
  egressUsdPerGb: 0,
  ...overrides,
});
const work = (overrides: Partial<PlacedWork> = {}): PlacedWork => ({
  tasks: 1_000,
  secondsPerTask: 60,
  secondsLeft: null,
  maxInstances: null,
  inputBytesPerTask: null,
  ...overrides,
});
const tasksOf = (given: PlacedWork, candidates: readonly Candidate[]): Record<string, number> =>
  Object.fromEntries(placeTasks(given, candidates).shares.map(({ fleet, tasks }) => [fleet, tasks]));

describe('placing tasks', () => {
  it('gives the cheapest what it can finish within its drain target, and the next one the rest', () => {
    // 10 machines of 2 at once, 15 tasks one after another.
    const cheap = candidate('cheap', { usdPerTask: 0.001 });
    const dear = candidate('dear', { usdPerTask: 0.002 });

    expect(tasksOf(work({ tasks: 300 }), [dear, cheap])).toEqual({ dear: 0, cheap: 300 });
    expect(tasksOf(work({ tasks: 400 }), [dear, cheap])).toEqual({ dear: 100, cheap: 300 });
  });

  it('aims at the deadline where there is one, a boot less', () => {
    const fleets = [candidate('cheap'), candidate('dear', { usdPerTask: 1 })];

    expect(tasksOf(work({ tasks: 300, secondsLeft: 180 }), fleets)).toEqual({ cheap: 150, dear: 150 });
    expect(tasksOf(work({ tasks: 60, secondsLeft: 180 }), fleets)).toEqual({ cheap: 40, dear: 20 });
  });

  it('makes all late alike when all of them together cannot do it in time', () => {
    const fleets = [candidate('one', { maxInstances: 5 }), candidate('two', { usdPerTask: 1, maxInstances: 15 })];

    expect(tasksOf(work({ tasks: 4_000 }), fleets)).toEqual({ one: 1_000, two: 3_000 });
  });

  it('splits by capacity what costs the same, or what nobody knows the price of', () => {
    const same = [candidate('small', { maxInstances: 2 }), candidate('large', { maxInstances: 6 })];
    const unknown = same.map((each) => ({ ...each, usdPerTask: null }));

    expect(tasksOf(work({ tasks: 80 }), same)).toEqual({ small: 20, large: 60 });
    expect(tasksOf(work({ tasks: 80 }), unknown)).toEqual({ small: 20, large: 60 });
    expect(tasksOf(work({ tasks: 80 }), [...unknown, candidate('priced')])).toEqual({ small: 0, large: 0, priced: 80 });
  });

  it('gives nothing to a fleet with nothing on offer, and says why', () => {
    const none = candidate('none', { usdPerTask: null, unavailable: 'it was sold out a moment ago' });
    const { shares, reasons } = placeTasks(work({ tasks: 10 }), [none, candidate('other', { usdPerTask: 9 })]);

    expect(shares).toEqual([
      { fleet: 'none', tasks: 0 },
      { fleet: 'other', tasks: 10 },
    ]);
    expect(reasons).toContain('none gets nothing: it was sold out a moment ago');
  });

  it('places them all the same when none has anything on offer', () => {
    const none = (name: string) => candidate(name, { usdPerTask: null, unavailable: 'sold out' });

    expect(tasksOf(work({ tasks: 10 }), [none('a'), none('b')])).toEqual({ a: 5, b: 5 });
  });

  it('uses no more fleets than the job may have machines', () => {
    const fleets = [candidate('a'), candidate('b'), candidate('c', { usdPerTask: 0.5 })];

    const tasks = tasksOf(work({ tasks: 10_000, maxInstances: 1 }), fleets);

    expect(Object.values(tasks).filter((count) => count > 0)).toEqual([10_000]);
  });

  it('counts what inputs cost on their way to another cloud, where their size is known', () => {
    const near = candidate('near', { usdPerTask: 0.001 });
    const far = candidate('far', { usdPerTask: 0.000_9, egressUsdPerGb: 0.09 });

    expect(tasksOf(work({ tasks: 100 }), [near, far])).toMatchObject({ far: 100 });
    expect(tasksOf(work({ tasks: 100, inputBytesPerTask: 10_000_000 }), [near, far])).toMatchObject({ near: 100 });
    expect(placeTasks(work(), [near, far]).reasons.join('\n')).toMatch(/far is left out: their size is not known/);
    expect(placeTasks(work({ inputBytesPerTask: 2 }), [near, far]).reasons.join('\n')).toMatch(/cost next to nothing/);
  });

  it('says what each gets, at which price, and why', () => {
    const { reasons } = placeTasks(work({ tasks: 5_000 }), [candidate('a'), candidate('b', { usdPerTask: 0.5 })]);

    expect(reasons[0]).toBe(
      'a gets 2500 of 5000 tasks at $0.0010 a task; it can finish 300 in its drain target: the least that fits',
    );
    expect(reasons.at(-1)).toMatch(/together cannot finish it in time/);
    expect(placeTasks(work(), [candidate('own', { usdPerTask: 0 })]).reasons[0]).toMatch(/^own gets .* at no cost; /);
  });
});

const someCandidates = fc
  .array(
    fc.record({
      usdPerTask: fc.option(fc.constantFrom(0, 0.001, 0.002, 0.01), { nil: null }),
      unavailable: fc.option(fc.constant('sold out'), { nil: null, freq: 4 }),
      tasksAtOnce: fc.integer({ min: 1, max: 16 }),
      maxInstances: fc.integer({ min: 1, max: 50 }),
      bootSeconds: fc.integer({ min: 0, max: 300 }),
      drainTargetSeconds: fc.integer({ min: 1, max: 3_600 }),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((all) => all.map((each, at) => candidate(`fleet-${at}`, each)));
const someWork = fc.record({
  tasks: fc.integer({ min: 1, max: 100_000 }),
  secondsPerTask: fc.double({ min: 0.1, max: 7_200, noNaN: true }),
  secondsLeft: fc.option(fc.integer({ min: 1, max: 86_400 }), { nil: null }),
  maxInstances: fc.option(fc.integer({ min: 1, max: 60 }), { nil: null }),
  inputBytesPerTask: fc.constant(null),
});

/** What it could finish in time with all its machines, told by the definition alone. */
function most({ tasksAtOnce, maxInstances, bootSeconds, drainTargetSeconds }: Candidate, given: PlacedWork): number {
  const seconds = given.secondsLeft === null ? drainTargetSeconds : given.secondsLeft - bootSeconds;
  return maxInstances * tasksAtOnce * Math.max(1, Math.floor(seconds / given.secondsPerTask));
}

describe('whatever the fleets are', () => {
  const isUsable = ({ unavailable }: Candidate): boolean => unavailable === null;
  const costOf = ({ usdPerTask }: Candidate): number => usdPerTask ?? Number.POSITIVE_INFINITY;

  it('every task is placed once, and none where nothing is on offer', () => {
    fc.assert(
      fc.property(someWork, someCandidates, (given, candidates) => {
        const { shares } = placeTasks(given, candidates);

        expect(shares.map(({ fleet }) => fleet)).toEqual(candidates.map(({ fleet }) => fleet));
        expect(shares.reduce((sum, { tasks }) => sum + tasks, 0)).toBe(given.tasks);
        const wrong = shares.filter(({ tasks }, at) => tasks > 0 && candidates[at]?.unavailable);
        if (candidates.some(isUsable)) expect(wrong).toEqual([]);
        const used = shares.filter(({ tasks }) => tasks > 0).length;
        expect(used).toBeLessThanOrEqual(given.maxInstances ?? used);
      }),
    );
  });

  it('a dearer one has tasks only when each cheaper one has all that it can do', () => {
    fc.assert(
      fc.property(someWork, someCandidates, (given, candidates) => {
        const unbounded = { ...given, maxInstances: null };
        const tasks = tasksOf(unbounded, candidates);
        const usable = candidates.filter(isUsable);

        const wrong = usable.filter(
          (cheap) =>
            (tasks[cheap.fleet] ?? 0) < most(cheap, unbounded) &&
            usable.some((dear) => costOf(dear) > costOf(cheap) && (tasks[dear.fleet] ?? 0) > 0),
        );
        expect(wrong).toEqual([]);
      }),
    );
  });

  it('more tasks never mean fewer for any fleet, beyond the rounding of one', () => {
    fc.assert(
      fc.property(someWork, someCandidates, fc.integer({ min: 1, max: 1_000 }), (given, candidates, more) => {
        const before = tasksOf(given, candidates);
        const after = tasksOf({ ...given, tasks: given.tasks + more }, candidates);

        const fewer = candidates.filter(({ fleet }) => (after[fleet] ?? 0) < (before[fleet] ?? 0) - 1);
        expect(fewer).toEqual([]);
      }),
    );
  });

  it('a price that rises never brings a fleet more', () => {
    fc.assert(
      fc.property(someWork, someCandidates, (given, candidates) => {
        const dearer = candidates.map((each, at) =>
          at === 0 ? { ...each, usdPerTask: (each.usdPerTask ?? 0) + 1 } : each,
        );
        if (candidates[0]?.usdPerTask === null) return;

        const name = candidates[0]?.fleet ?? '';
        expect(tasksOf(given, dearer)[name]).toBeLessThanOrEqual((tasksOf(given, candidates)[name] ?? 0) + 1);
      }),
    );
  });
});

describe('apportioning', () => {
  it('adds up, is in proportion, and gives nothing to what weighs nothing', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.array(fc.nat(1_000), { minLength: 1, maxLength: 8 }), (total, weights) => {
        const parts = apportion(total, weights);
        const sum = weights.reduce((all, weight) => all + weight, 0);

        expect(parts.reduce((all, part) => all + part, 0)).toBe(total);
        if (sum === 0) return;
        const wrong = parts.filter((part, at) => Math.abs(part - (total * (weights[at] ?? 0)) / sum) >= 1);
        expect(wrong).toEqual([]);
      }),
    );
  });
});
