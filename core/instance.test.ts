import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasEnded, INSTANCE_STATES, type InstanceState, mayBecome } from './instance.ts';

const anyState = fc.constantFrom(...INSTANCE_STATES);
/** Where a machine stands after reports in any order. */
const settledAt = (reports: readonly InstanceState[]): InstanceState =>
  reports.reduce<InstanceState>((now, next) => (mayBecome(now, next) ? next : now), 'REQUESTED');

describe('the states of a machine', () => {
  it('only go forward, and an end absorbs', () => {
    fc.assert(
      fc.property(anyState, anyState, (from, to) => {
        expect(mayBecome(from, to) && mayBecome(to, from)).toBe(false);
        if (hasEnded(from)) expect(mayBecome(from, to)).toBe(false);
      }),
    );
  });

  it('come out the same in whatever order reports arrive, if only one of them is an end', () => {
    const alive = fc.shuffledSubarray(['BOOTING', 'READY', 'DRAINING', 'READY'] as InstanceState[]);
    fc.assert(
      fc.property(alive, fc.constantFrom<InstanceState>('TERMINATED', 'INTERRUPTED', 'FAILED'), (reports, end) => {
        expect(settledAt([...reports, end])).toBe(end);
        expect(settledAt([end, ...reports])).toBe(end);
      }),
    );
  });

  it('may be skipped: a machine that fails while booting never was ready', () => {
    expect(mayBecome('BOOTING', 'FAILED')).toBe(true);
    expect(mayBecome('REQUESTED', 'READY')).toBe(true);
  });
});
