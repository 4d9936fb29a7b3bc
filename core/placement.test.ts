import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_SIZE } from './ids.ts';
import {
  firstFleetOf,
  fleetOf,
  fleetsInUse,
  fleetsNamed,
  isMovedBy,
  leaveFleet,
  openByFleet,
  type Placed,
  type Placement,
  rankOf,
  type Share,
  tasksByFleet,
} from './placement.ts';

const AT = '2026-01-01T00:00:00.000Z';
const placementOf = (shares: readonly Share[]): Placement => ({ shares: [...shares], left: [], reasons: [], at: AT });
const placed = (shares: readonly Share[], placement: Partial<Placement> = {}): Placed => ({
  fleet: shares.map((share) => share.fleet),
  taskCount: shares.reduce((sum, share) => sum + share.tasks, 0),
  placement: { ...placementOf(shares), ...placement },
});
const indexesOf = ({ taskCount }: Placed): number[] => Array.from({ length: taskCount }, (_, index) => index);

function counted(job: Placed, indexes: readonly number[] = indexesOf(job)): Map<string, number> {
  const counts = new Map<string, number>();
  for (const index of indexes) counts.set(fleetOf(job, index), (counts.get(fleetOf(job, index)) ?? 0) + 1);
  return counts;
}

/** Shares of 1 to 4 fleets, some with nothing. */
const someShares = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1_700 })), { minLength: 1, maxLength: 4 })
  .filter((tasks) => tasks.some((count) => count > 0))
  .map((tasks) => tasks.map((count, at): Share => ({ fleet: `fleet-${at}`, tasks: count })));

/** Leaves a fleet that has tasks; they go to the others in parts that the numbers say. */
function leaving(job: Placed, fleet: string, weights: readonly number[]): Placed {
  const { placement } = job;
  if (!placement) throw new Error('no placement');
  const others = fleetsInUse(job).filter((each) => each !== fleet);
  let rest = tasksByFleet(placement).get(fleet) ?? 0;
  const to = others.map((each, at) => {
    const tasks = at === others.length - 1 ? rest : Math.floor(rest * (weights[at] ?? 0));
    rest -= tasks;
    return { fleet: each, tasks };
  });
  return { ...job, placement: leaveFleet(placement, { fleet, at: AT, reason: 'gone', to }, ['gone']) };
}

describe('where a task runs', () => {
  it('is its one fleet, when no other is named', () => {
    const job = { fleet: 'default', taskCount: 3, placement: null };

    expect([0, 1, 2].map((index) => fleetOf(job, index))).toEqual(['default', 'default', 'default']);
    expect(firstFleetOf(job, 0)).toBeNull();
    expect([fleetsNamed(job), fleetsInUse(job)]).toEqual([['default'], ['default']]);
  });

  it('gives each task a rank of its own', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4_500 }), (taskCount) => {
        const ranks = Array.from({ length: taskCount }, (_, index) => rankOf(index, taskCount));

        expect(new Set(ranks).size).toBe(taskCount);
        expect([Math.min(...ranks), Math.max(...ranks)]).toEqual([0, taskCount - 1]);
      }),
      { numRuns: 30 },
    );
  });

  it('is exactly as many times each fleet as its share says, and in each chunk in proportion', () => {
    fc.assert(
      fc.property(someShares, (shares) => {
        const job = placed(shares);

        const all = counted(job);
        for (const { fleet, tasks } of shares) expect(all.get(fleet) ?? 0).toBe(tasks);
        for (let start = 0; start < job.taskCount; start += CHUNK_SIZE) {
          const chunk = indexesOf(job).slice(start, start + CHUNK_SIZE);
          const here = counted(job, chunk);
          for (const { fleet, tasks } of shares) {
            const even = (tasks * chunk.length) / job.taskCount;
            expect(Math.abs((here.get(fleet) ?? 0) - even)).toBeLessThanOrEqual(2);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('alternates within a chunk: whoever is served first finds tasks of every fleet', () => {
    const job = placed([
      { fleet: 'a', tasks: 500 },
      { fleet: 'b', tasks: 500 },
    ]);

    for (let start = 0; start < 1_000; start += 10) {
      const ten = indexesOf(job).slice(start, start + 10);
      expect(counted(job, ten).get('a')).toBeGreaterThanOrEqual(4);
      expect(counted(job, ten).get('a')).toBeLessThanOrEqual(6);
    }
  });
});

describe('a fleet that is left', () => {
  it('gives up all its tasks, nobody else any, and each of the others gets exactly its part', () => {
    const fraction = fc.double({ min: 0, max: 1, noNaN: true });
    const weights = fc.array(fraction, { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(someShares, fc.array(fc.tuple(fc.nat(3), weights), { maxLength: 3 }), (shares, leaves) => {
        let job = placed(shares);
        for (const [which, parts] of leaves) {
          const inUse = fleetsInUse(job);
          const fleet = inUse[which % inUse.length];
          if (fleet === undefined || inUse.length < 2) continue;
          const before = indexesOf(job).map((index) => fleetOf(job, index));
          job = leaving(job, fleet, parts);
          const entry = (job.placement?.left.length ?? 0) - 1;
          const wrong = before.filter((was, index) => {
            const moved = was === fleet;
            return isMovedBy(job, entry, index) !== moved || (fleetOf(job, index) !== was) !== moved;
          });
          expect(wrong).toEqual([]);
        }
        const tasks = job.placement ? tasksByFleet(job.placement) : new Map<string, number>();
        const all = counted(job);
        for (const fleet of fleetsNamed(job)) expect(all.get(fleet) ?? 0).toBe(tasks.get(fleet));
        expect(fleetsInUse(job).length).toBeGreaterThanOrEqual(1);
      }),
      { numRuns: 30 },
    );
  });

  it('spreads its tasks over the others in each chunk too', () => {
    const job = leaving(
      placed([
        { fleet: 'a', tasks: 2_000 },
        { fleet: 'b', tasks: 1_000 },
        { fleet: 'c', tasks: 0 },
      ]),
      'a',
      [0.5],
    );

    for (const chunk of [0, 1, 2]) {
      const here = counted(job, indexesOf(job).slice(chunk * CHUNK_SIZE, (chunk + 1) * CHUNK_SIZE));
      expect(here.get('b')).toBeGreaterThan(660);
      expect(here.get('c')).toBeGreaterThan(330);
    }
  });
});

describe('what a fleet has open', () => {
  const shares = [
    { fleet: 'a', tasks: 600 },
    { fleet: 'b', tasks: 400 },
    { fleet: 'c', tasks: 0 },
  ];

  it('is its share less what has ended of it, whatever the others have done', () => {
    const open = openByFleet(placementOf(shares), { a: 600, b: 10 });

    expect([...open]).toEqual([
      ['a', 0],
      ['b', 390],
      ['c', 0],
    ]);
  });

  it('is, of what it took over, as large a part as it got, never rounded to nothing', () => {
    const left = [
      {
        fleet: 'a',
        at: AT,
        reason: 'gone',
        to: [
          { fleet: 'b', tasks: 599 },
          { fleet: 'c', tasks: 1 },
        ],
      },
    ];

    const open = openByFleet({ shares, left }, { a: 100, b: 400 });

    expect([...open]).toEqual([
      ['a', 0],
      ['b', 500],
      ['c', 1],
    ]);
  });

  it('is never less, altogether, than what is open in truth', () => {
    fc.assert(
      fc.property(someShares, fc.integer({ min: 0, max: 100 }), (given, percent) => {
        const inUse = given.map(({ fleet }) => fleet);
        const first = inUse[0] ?? '';
        const job = inUse.length > 1 ? leaving(placed(given), first, [0.4, 0.3]) : placed(given);
        const ended: Record<string, number> = {};
        for (const { fleet, tasks } of given) ended[fleet] = Math.floor((tasks * percent) / 100);
        const truth = given.reduce((sum, { fleet, tasks }) => sum + tasks - (ended[fleet] ?? 0), 0);

        const open = openByFleet(job.placement ?? placementOf(given), ended);

        const all = [...open.values()].reduce((sum, count) => sum + count, 0);
        expect(all).toBeGreaterThanOrEqual(truth);
        expect(all).toBeLessThan(truth + given.length);
      }),
    );
  });
});
