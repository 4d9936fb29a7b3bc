import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { instanceFactory } from '../test/factories/instance.ts';
import { countersFactory, jobFactory } from '../test/factories/job.ts';
import { at, START } from '../test/factories/manual-clock.ts';
import type { Counters } from './counters.ts';
import { type MachinesByFleet, partOf } from './fleet-part.ts';
import type { Job } from './job.ts';
import type { LeftFleet, Share } from './placement.ts';

const share = (fleet: string, tasks: number): Share => ({ fleet, tasks });
const progress = (
  shares: readonly Share[],
  job: Partial<Job> = {},
  counters: Partial<Counters> = {},
  left: LeftFleet[] = [],
) => ({
  job: jobFactory({
    fleet: shares.map(({ fleet }) => fleet),
    taskCount: shares.reduce((sum, { tasks }) => sum + tasks, 0),
    placement: { shares: [...shares], left, reasons: [], at: START },
    ...job,
  }),
  counters: countersFactory(counters),
});
const machines = (...names: string[]): MachinesByFleet =>
  Map.groupBy(
    names.map((fleet, index) =>
      instanceFactory({ instanceId: `i-${index}`, fleet, state: 'READY', hourlyPriceUsd: 1 }),
    ),
    ({ fleet }) => fleet,
  );
const now = new Date(at(60));

describe('what a fleet has of a job', () => {
  it('is all of it, when the job has no other', () => {
    const alone = { job: jobFactory({ taskCount: 5, maxInstances: 3 }), counters: countersFactory({ completed: 2 }) };

    expect(partOf(alone, 'default', new Map(), now)).toEqual({
      openTasks: 3,
      share: 1,
      maxInstances: 3,
      budgetLeftUsd: null,
    });
    expect(partOf(alone, 'other', new Map(), now)).toMatchObject({ openTasks: 0, share: 0 });
  });

  it('is what is open of its share', () => {
    const job = progress([share('a', 6), share('b', 4)], {}, { completed: 7, endedByFleet: { a: 6, b: 1 } });

    expect(partOf(job, 'a', new Map(), now)).toMatchObject({ openTasks: 0, share: 0 });
    expect(partOf(job, 'b', new Map(), now)).toMatchObject({ openTasks: 3, share: 1 });
  });

  it('are machines by its tasks, the same ones throughout, and at least one', () => {
    const of = (ended: number) =>
      progress([share('a', 90), share('b', 10)], { maxInstances: 5 }, { completed: ended, endedByFleet: { a: ended } });

    const parts = [0, 45, 89].map((ended) =>
      ['a', 'b'].map((fleet) => partOf(of(ended), fleet, new Map(), now).maxInstances),
    );

    expect(parts).toEqual([
      [4, 1],
      [4, 1],
      [4, 1],
    ]);
  });

  it('is nothing for a second fleet while the job may have one machine: one after the other', () => {
    const shares = [share('a', 5), share('b', 5)];
    const first = progress(shares, { maxInstances: 1 });
    const then = progress(shares, { maxInstances: 1 }, { completed: 5, endedByFleet: { a: 5 } });

    const of = (job: typeof first) => ['a', 'b'].map((fleet) => partOf(job, fleet, new Map(), now).maxInstances);
    expect([of(first), of(then)]).toEqual([
      [1, 0],
      [0, 1],
    ]);
  });

  it('counts machines of a fleet that was left for as long as they may run a task of it', () => {
    const left = [{ fleet: 'a', at: START, reason: 'gone', to: [share('b', 5)] }];
    const job = progress([share('a', 5), share('b', 5)], { maxInstances: 4, timeoutSeconds: 300 }, {}, left);
    const held = machines('a', 'a', 'a', 'b');

    // It had two of the four; a third one would be another job's.
    expect(partOf(job, 'b', held, new Date(at(299))).maxInstances).toBe(2);
    expect(partOf(job, 'b', held, new Date(at(300))).maxInstances).toBe(4);
    expect(partOf(job, 'b', machines('a', 'b'), new Date(at(1))).maxInstances).toBe(3);
  });

  it('never adds up to more than the job has, of machines and of money (promise 5)', () => {
    const counts = fc.array(fc.nat(50), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(counts, counts, fc.integer({ min: 1, max: 40 }), fc.nat(100), (tasks, held, maxInstances, budget) => {
        const shares = tasks.map((count, index) => share(`f${index}`, count));
        if (shares.every((each) => each.tasks === 0)) return;
        const names = held.flatMap((count, index) => Array.from({ length: count % 7 }, () => `f${index}`));
        const job = progress(shares, { maxInstances, budgetUsd: budget + 1 }, { costUsd: 1 });

        const parts = shares.map(({ fleet }) => partOf(job, fleet, machines(...names), now));

        expect(parts.reduce((sum, part) => sum + (part.maxInstances ?? 0), 0)).toBeLessThanOrEqual(maxInstances);
        expect(parts.reduce((sum, part) => sum + (part.budgetLeftUsd ?? 0), 0)).toBeLessThanOrEqual(budget + 1e-5);
      }),
    );
  });
});
