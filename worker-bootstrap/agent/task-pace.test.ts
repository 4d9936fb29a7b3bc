import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TaskPace } from './task-pace.ts';

function paceOf(...seconds: number[]): TaskPace {
  const pace = new TaskPace();
  for (const each of seconds) pace.observe('job', each);
  return pace;
}

describe('the pace of a job', () => {
  it('lets nothing wait before anything is measured', () => {
    expect(paceOf().waitingAllowed('job', 4, 400)).toBe(0);
    expect(paceOf(0.1).waitingAllowed('another job', 4, 400)).toBe(0);
  });

  it.each([
    ['no time at all', 0, 1, 400, 20],
    ['a second', 1, 1, 400, 5],
    ['a second, four at a time', 1, 4, 400, 20],
    ['longer than anything should wait', 6, 1, 400, 0],
    ['a second, under a lease of eight', 1, 1, 8, 2],
  ])('of tasks that take %s allows for what starts soon', (_what, seconds, slots, lease, allowed) => {
    expect(paceOf(seconds).waitingAllowed('job', slots, lease)).toBe(allowed);
  });

  it('never lets more wait than start within a quarter of the lease (lesson 7)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e4, noNaN: true }), { minLength: 1 }),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 43_200 }),
        (seconds, slots, lease) => {
          const pace = paceOf(...seconds);
          const allowed = pace.waitingAllowed('job', slots, lease);

          expect((allowed * (pace.meanSeconds('job') ?? 0)) / slots).toBeLessThanOrEqual(lease / 4 + 1e-9);
          expect(allowed).toBeLessThanOrEqual(20);
        },
      ),
    );
  });

  it('follows what is measured, and forgets old jobs', () => {
    const pace = paceOf(10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    expect(pace.meanSeconds('job')).toBeLessThan(1);

    for (let job = 0; job < 200; job += 1) pace.observe(`other-${job}`, 1);
    expect(pace.meanSeconds('job')).toBeUndefined();
    expect(pace.meanSeconds('other-199')).toBe(1);
  });
});
