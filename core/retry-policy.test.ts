import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failureFactory } from '../test/factories/task-record.ts';
import type { RetryPolicy } from './job-submission.ts';
import { backoffDelaySeconds, decideRetry, isTemporary, MAX_BACKOFF_SECONDS } from './retry-policy.ts';
import type { Failure } from './task.ts';

const policy: RetryPolicy = { maxAttempts: 3, backoffSeconds: 10, retryOnExitCodes: [75], retryOnTimeout: false };

const anyPolicy = fc.record({
  maxAttempts: fc.integer({ min: 1, max: 100 }),
  backoffSeconds: fc.double({ min: 0, max: 900, noNaN: true }),
  retryOnExitCodes: fc.array(fc.integer({ min: 1, max: 255 })),
  retryOnTimeout: fc.boolean(),
});
const anyAttempt = fc.integer({ min: 1, max: 100 });
const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('the backoff', () => {
  it('is a whole number of seconds between zero and its ceiling, an hour at most', () => {
    fc.assert(
      fc.property(anyPolicy, anyAttempt, anyRandom, (any, attempts, random) => {
        const seconds = backoffDelaySeconds(any, attempts, random);

        expect(Number.isInteger(seconds)).toBe(true);
        expect(seconds).toBeGreaterThanOrEqual(0);
        expect(seconds).toBeLessThanOrEqual(Math.ceil(any.backoffSeconds * 2 ** (attempts - 1)));
        expect(seconds).toBeLessThanOrEqual(MAX_BACKOFF_SECONDS);
      }),
    );
  });

  it.each([
    [1, 10],
    [2, 20],
    [3, 40],
    [7, 640],
    [8, 1_280],
    [10, 3_600],
    [100, 3_600],
  ])('after %i charged attempts reaches from 0 to %i seconds', (attempts, ceiling) => {
    expect(backoffDelaySeconds(policy, attempts, 0)).toBe(0);
    expect(backoffDelaySeconds(policy, attempts, 1 - Number.EPSILON)).toBe(ceiling);
  });

  it('of zero seconds is none at all', () => {
    expect(backoffDelaySeconds({ ...policy, backoffSeconds: 0 }, 5, 0.99)).toBe(0);
  });
});

describe('a retry', () => {
  it.each<[string, Partial<Failure>, boolean]>([
    ['an exit code that the policy names', { code: 'exit', exitCode: 75 }, true],
    ['another exit code', { code: 'exit', exitCode: 1 }, false],
    ['a signal', { code: 'signal', signal: 'SIGKILL' }, true],
    ['an input that could not be fetched', { code: 'input-unavailable' }, true],
    ['a timeout, unless the policy says otherwise', { code: 'timeout' }, false],
    ['a failure that the command reported as temporary', { code: 'reported', retry: true }, true],
    ['a failure that it reported as final', { code: 'reported' }, false],
    ['a missing command', { code: 'command-not-found' }, false],
    ['a command that is not executable', { code: 'command-not-executable' }, false],
    ['a result that is not JSON', { code: 'result-invalid' }, false],
    ['a result that is too large', { code: 'result-too-large' }, false],
    ['a task released too often', { code: 'released-too-often' }, false],
  ])('after %s: %o → %s', (_what, failure, temporary) => {
    expect(isTemporary(failureFactory(failure), policy)).toBe(temporary);
  });

  it('after an exit without a code is not tried', () => {
    const { exitCode: _none, ...failure } = failureFactory();

    expect(isTemporary(failure, policy)).toBe(false);
  });

  it('after a timeout is given when the policy says so', () => {
    expect(isTemporary(failureFactory({ code: 'timeout' }), { ...policy, retryOnTimeout: true })).toBe(true);
  });

  it('is given exactly until the attempts are used up', () => {
    fc.assert(
      fc.property(anyPolicy, anyAttempt, anyRandom, (any, attempts, random) => {
        const decision = decideRetry(failureFactory({ code: 'signal' }), any, attempts, random);

        expect(decision.retry).toBe(attempts < any.maxAttempts);
      }),
    );
  });

  it('is never given for a permanent failure', () => {
    expect(decideRetry(failureFactory({ code: 'command-not-found' }), policy, 1, 0.5)).toEqual({ retry: false });
  });
});
