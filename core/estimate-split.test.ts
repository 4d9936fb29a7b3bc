import { describe, expect, it } from 'vitest';
import { at } from '../test/factories/manual-clock.ts';
import type { Estimate } from './estimate.ts';
import { estimateSplit } from './estimate-split.ts';

const estimate = (fleet: string, overrides: Partial<Estimate> = {}): Estimate => ({
  fleet,
  costUsd: { low: 1, likely: 2, high: 3 },
  finishAt: { earliest: at(10), likely: at(20), latest: at(30) },
  machine: null,
  secondsPerTask: { low: 1, likely: 1, high: 1, basis: 'as told' },
  prices: { source: 'a list', observedAt: at(0), ageDays: 0 },
  conflicts: [],
  reasons: [],
  ...overrides,
});
const late = { earliest: at(5), likely: at(40), latest: at(50) };

describe('the estimate of work that is split', () => {
  it('costs what the shares cost together, and is done when the last of them is', () => {
    const shares = [
      { tasks: 6, estimate: estimate('a') },
      { tasks: 4, estimate: estimate('b', { finishAt: late }) },
    ];

    expect(estimateSplit(['a', 'b', 'c'], shares, null, ['by price'])).toMatchObject({
      fleet: ['a', 'b', 'c'],
      costUsd: { low: 2, likely: 4, high: 6 },
      finishAt: { earliest: at(10), likely: at(40), latest: at(50) },
      shares,
      conflicts: [],
      reasons: ['by price'],
    });
  });

  it('is not known where one of the shares is not', () => {
    const shares = [
      { tasks: 6, estimate: estimate('a') },
      { tasks: 4, estimate: estimate('b', { costUsd: null, finishAt: null }) },
    ];

    expect(estimateSplit(['a', 'b'], shares, null, [])).toMatchObject({ costUsd: null, finishAt: null });
  });

  it('tells what cannot be had, on which fleet or on all of them', () => {
    const shares = [{ tasks: 6, estimate: estimate('a', { conflicts: ['too late'] }) }];

    const { conflicts } = estimateSplit(['a', 'b'], shares, 1.5, []);

    expect(conflicts).toEqual(['a: too late', expect.stringContaining('$1.50 will not do')]);
  });
});
