import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addCounters, type Counters, deltaOf, taskCounts, zeroCounters } from './counters.ts';
import { TASK_STATUSES, type TaskStatus } from './task.ts';

const anyStatus = fc.constantFrom(...TASK_STATUSES);

/** Counters of a job whose every task stands in one of these statuses. */
const countersOf = (statuses: readonly TaskStatus[]): Counters =>
  statuses.map((status) => deltaOf('PENDING', status)).reduce(addCounters, zeroCounters);

describe('counters', () => {
  it('come back to where they were when a task does', () => {
    fc.assert(
      fc.property(anyStatus, anyStatus, anyStatus, (a, b, c) => {
        const around = [deltaOf(a, b), deltaOf(b, c), deltaOf(c, a)].reduce(addCounters, zeroCounters);

        expect(around).toEqual(zeroCounters);
      }),
    );
  });

  it('do not change when the status does not', () => {
    expect(TASK_STATUSES.map((status) => deltaOf(status, status))).toEqual(TASK_STATUSES.map(() => zeroCounters));
  });

  it('carry the seconds of a completed attempt', () => {
    expect(deltaOf('RUNNING', 'COMPLETED', { completedSeconds: 7.5 })).toEqual({
      ...zeroCounters,
      running: -1,
      completed: 1,
      completedSeconds: 7.5,
    });
  });
});

describe('task counts', () => {
  it('have every task in exactly one place, in an open job and in a closed one', () => {
    fc.assert(
      fc.property(fc.array(anyStatus, { minLength: 1 }), fc.nat(100), fc.boolean(), (statuses, untouched, closed) => {
        const taskCount = statuses.length + untouched;

        const counts = taskCounts(taskCount, countersOf(statuses), closed);

        const { pending, running, completed, failed, cancelled } = counts;
        expect(pending + running + completed + failed + cancelled).toBe(taskCount);
        expect(Math.min(pending, running, completed, failed, cancelled)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('of an open job derive what is pending', () => {
    const counts = taskCounts(10, countersOf(['RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED', 'PENDING']), false);

    expect(counts).toEqual({ pending: 6, running: 1, completed: 1, failed: 1, cancelled: 1 });
  });

  it('of a closed job call cancelled whatever did not end by itself', () => {
    const counts = taskCounts(10, countersOf(['RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED', 'PENDING']), true);

    expect(counts).toEqual({ pending: 0, running: 0, completed: 1, failed: 1, cancelled: 8 });
  });
});
