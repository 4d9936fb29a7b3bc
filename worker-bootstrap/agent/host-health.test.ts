import { describe, expect, it } from 'vitest';
import type { Failure } from '../../core/task.ts';
import { HostHealth } from './host-health.ts';
import type { TaskOutcome } from './task-runner.ts';

const failed = (failure: Partial<Failure>): TaskOutcome => ({
  kind: 'failed',
  seconds: 1,
  failure: { code: 'exit', message: 'failed', ...failure },
});
const KILLED = failed({ code: 'signal', message: 'was ended by signal SIGKILL', signal: 'SIGKILL' });
const COMPLETED: TaskOutcome = { kind: 'completed', seconds: 1, result: { json: '1' } };
const released = (cause: 'machine' | 'interrupted' | 'cancelled'): TaskOutcome => ({
  kind: 'released',
  seconds: 0,
  cause,
  reason: `because: ${cause}`,
});

/** What the machine thinks of itself after tasks of jobs `a`, `b`, … ended so. */
function afterwards(...ends: readonly (readonly [jobId: string, outcome: TaskOutcome, wasPrepared?: boolean])[]) {
  const health = new HostHealth();
  return ends.map(([jobId, outcome, wasPrepared = true]) => health.observe(jobId, outcome, wasPrepared)).at(-1);
}

describe('a machine', () => {
  it('is quarantined when three tasks of two jobs die in a row', () => {
    expect(afterwards(['a', KILLED], ['a', KILLED])).toBeNull();
    expect(afterwards(['a', KILLED], ['a', KILLED], ['b', KILLED])).toBe(
      'quarantined: 3 tasks of 2 jobs died in a row; the last: was ended by signal SIGKILL',
    );
  });

  it('is not blamed for one job whose every task dies', () => {
    const many = Array.from({ length: 20 }, () => ['a', KILLED] as const);
    expect(afterwards(...many)).toBeNull();
    expect(afterwards(...many, ['b', KILLED])).toMatch(/^quarantined: 21 tasks of 2 jobs/);
  });

  it.each([
    ['completed', COMPLETED],
    ['failed by a word of its own', failed({ exitCode: 1 })],
    ['left no valid result', failed({ code: 'result-invalid' })],
  ])('is fit when a task between %s', (_, outcome) => {
    expect(afterwards(['a', KILLED], ['b', KILLED], ['c', outcome], ['a', KILLED], ['b', KILLED])).toBeNull();
  });

  it.each([
    ['ran out of time', failed({ code: 'timeout' })],
    ['was interrupted', released('interrupted')],
    ['was cancelled', released('cancelled')],
    ['was given back unstarted', { kind: 'returned' } as const],
  ])('is neither fit nor unfit by a task that %s', (_, outcome) => {
    expect(afterwards(['a', outcome], ['b', outcome], ['c', outcome])).toBeNull();
    expect(afterwards(['a', KILLED], ['b', KILLED], ['c', outcome], ['a', KILLED])).toMatch(/^quarantined: 3 tasks/);
  });

  it('counts what its shell reports of signals, and trouble of its own', () => {
    const ends = [
      ['a', failed({ exitCode: 137 })],
      ['b', released('machine')],
      ['a', failed({ exitCode: 139 })],
    ] as const;
    expect(afterwards(...ends)).toMatch(/^quarantined/);
    expect(afterwards(['a', failed({ exitCode: 255 })], ['b', KILLED], ['a', KILLED])).toBeNull();
  });

  it('leaves code that cannot be prepared to who prepares it', () => {
    const unprepared = ['a', released('machine'), false] as const;
    expect(afterwards(unprepared, ['b', released('machine'), false], unprepared)).toBeNull();
  });
});
