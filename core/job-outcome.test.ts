import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countersFactory, jobFactory } from '../test/factories/job.ts';
import { isSettled, outcomeOf } from './job-outcome.ts';

const job = jobFactory({ taskCount: 10, status: 'RUNNING' });
const cancelling = { ...job, status: 'CANCELLING' } as const;

describe('a job is settled', () => {
  it('when every task is terminal', () => {
    expect(isSettled(job, countersFactory({ completed: 7, failed: 2, cancelled: 1 }))).toBe(true);
  });

  it('not while a task is open', () => {
    expect(isSettled(job, countersFactory({ completed: 8, failed: 1, running: 1 }))).toBe(false);
    expect(isSettled(job, countersFactory({ completed: 9 }))).toBe(false);
  });

  it('when it is being cancelled and nothing runs', () => {
    expect(isSettled(cancelling, countersFactory({ completed: 1 }))).toBe(true);
    expect(isSettled(cancelling, countersFactory({ completed: 1, running: 1 }))).toBe(false);
  });
});

const hopeless = {
  ...{ at: '2026-01-01T00:05:00.000Z', taskId: 'job_1-0', instanceId: 'i-2', reason: 'setup failed with exit code 3' },
  ...{ tasksEnded: 1, count: 6, since: '2026-01-01T00:00:00.000Z', machines: ['i-1', 'i-2'], hopeless: true },
};

describe('a job that no machine can run', () => {
  const given = { ...job, problem: hopeless };

  it('is settled, unless a task ended after all', () => {
    expect(isSettled(given, countersFactory({ completed: 1, running: 1 }))).toBe(true);
    expect(isSettled(given, countersFactory({ completed: 2 }))).toBe(false);
    expect(isSettled({ ...given, problem: { ...hopeless, hopeless: false } }, countersFactory())).toBe(false);
  });

  it('has failed, for the reason that its machines gave', () => {
    expect(outcomeOf(given, countersFactory({ completed: 1 }), 'settled')).toEqual({
      status: 'FAILED',
      reason: 'given up, machines failed 6 times in a row: setup failed with exit code 3: 1 of 10 tasks done',
    });
  });
});

describe('a job whose last task was given back too often, because no machine could run it', () => {
  const last = { ...hopeless, tasksEnded: 10, count: 1, hopeless: false };
  const reasonOf = (problem: typeof last, completed: number, failed: number, cancelled = 0) =>
    outcomeOf({ ...job, problem }, countersFactory({ completed, failed, cancelled }), 'settled').reason;

  it('says so', () => {
    expect(reasonOf(last, 0, 10)).toBe(
      '10 of 10 tasks failed, 0 allowed, the last because setup failed with exit code 3',
    );
  });

  it.each([
    ['that was over', { ...last, tasksEnded: 9 }, 0, 10, 0],
    ['that was known', { ...last, count: 0 }, 0, 10, 0],
    ['of a task that may have completed', last, 9, 1, 0],
    ['of a task that may have been cancelled', { ...last, tasksEnded: 9 }, 0, 9, 1],
  ])('does not take trouble %s for the reason', (_what, problem, completed, failed, cancelled) => {
    expect(reasonOf(problem, completed, failed, cancelled)).not.toContain('because');
  });
});

describe('the outcome of a job', () => {
  it.each([
    [10, 0, 0, 'COMPLETED', null],
    [9, 1, 1, 'COMPLETED', '1 of 10 tasks failed, as allowed'],
    [9, 1, 0, 'FAILED', '1 of 10 tasks failed, 0 allowed'],
    [0, 10, 9, 'FAILED', '10 of 10 tasks failed, 9 allowed'],
  ] as const)('with %i completed and %i failed of 10, %i allowed, is %s', (completed, failed, allowed, status, why) => {
    const outcome = outcomeOf({ ...job, allowedFailures: allowed }, countersFactory({ completed, failed }), 'settled');

    expect(outcome).toEqual({ status, reason: why });
  });

  it.each([
    [7, 0, 3, 'COMPLETED', '3 of 10 tasks cancelled'],
    [6, 1, 3, 'FAILED', '1 of 10 tasks failed, 0 allowed; 3 of 10 tasks cancelled'],
    [0, 0, 10, 'CANCELLED', 'every task was cancelled'],
  ] as const)(
    'with %i completed, %i failed and %i cancelled singly is %s',
    (completed, failed, cancelled, status, reason) => {
      const counters = countersFactory({ completed, failed, cancelled });

      for (const cause of ['settled', 'timed-out'] as const) {
        expect(outcomeOf(job, counters, cause)).toEqual({ status, reason });
      }
    },
  );

  it('is CANCELLED when it was cancelled, whoever cancelled which task', () => {
    const counters = countersFactory({ completed: 7, cancelled: 3 });

    expect(outcomeOf(cancelling, counters, 'settled').status).toBe('CANCELLED');
  });

  it('is judged by its tasks when all ended, even if it was cancelled or timed out in the same moment', () => {
    const counters = countersFactory({ completed: 10 });

    expect(outcomeOf(cancelling, counters, 'cancelled').status).toBe('COMPLETED');
    expect(outcomeOf(job, counters, 'timed-out').status).toBe('COMPLETED');
    expect(outcomeOf(job, counters, 'error', 'States.Runtime').status).toBe('COMPLETED');
  });

  it('is CANCELLED when tasks were left by a cancellation', () => {
    const counters = countersFactory({ completed: 4, failed: 1, cancelled: 1 });

    const expected = { status: 'CANCELLED', reason: 'cancelled with 4 of 10 tasks completed' };
    expect(outcomeOf(cancelling, counters, 'settled')).toEqual(expected);
    expect(outcomeOf(job, counters, 'cancelled')).toEqual(expected);
  });

  it('is FAILED with the reason when time ran out', () => {
    expect(outcomeOf({ ...job, maxDurationSeconds: 60 }, countersFactory({ completed: 4 }), 'timed-out')).toEqual({
      status: 'FAILED',
      reason: 'not finished within 60 s: 4 of 10 tasks done',
    });
  });

  it('is FAILED with the error when the execution broke', () => {
    const counters = countersFactory({ completed: 3, failed: 1 });

    expect(outcomeOf(job, counters, 'error', 'inputs are gone').reason).toBe('inputs are gone: 4 of 10 tasks done');
    expect(outcomeOf(job, counters, 'error').reason).toBe('stopped before every task ended: 4 of 10 tasks done');
  });

  it('never is COMPLETED with a task that did not end by itself, nor with more failures than allowed', () => {
    const split = fc.tuple(fc.nat(5), fc.nat(5), fc.nat(5), fc.nat(5), fc.nat(5));
    fc.assert(
      fc.property(
        split,
        fc.nat(6),
        fc.constantFrom('settled', 'cancelled', 'timed-out', 'error'),
        fc.constantFrom('RUNNING', 'CANCELLING'),
        ([completed, failed, cancelled, running, untouched], allowedFailures, cause, status) => {
          const taskCount = completed + failed + cancelled + running + untouched || 1;
          const counters = countersFactory({ completed, failed, cancelled, running });

          const outcome = outcomeOf({ ...job, status, taskCount, allowedFailures }, counters, cause);

          const done = completed + failed === taskCount;
          const singly = cancelled > 0 && status === 'RUNNING' && cause !== 'cancelled';
          const others = singly && completed + failed > 0 && completed + failed + cancelled === taskCount;
          expect(outcome.status === 'COMPLETED').toBe((done || others) && failed <= allowedFailures);
        },
      ),
    );
  });
});
