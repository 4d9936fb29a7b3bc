import { describe, expect, it } from 'vitest';
import { at } from '../test/factories/manual-clock.ts';
import type { LaunchError } from './launch.ts';
import { rememberStockOuts, soldOutPools } from './stock-outs.ts';

const error = (kind: LaunchError['kind'], ...pools: string[]): LaunchError => ({
  code: 'X',
  kind,
  message: '',
  retryable: true,
  pools,
});
const now = new Date(at(0));
const later = new Date(at(600));

describe('a pool that had nothing', () => {
  it('is not asked again for ten minutes (lesson 20)', () => {
    const stockOuts = rememberStockOuts([], [error('out-of-capacity', 'c7g.large/a/spot')], now);

    expect(soldOutPools(stockOuts, new Date(at(599)))).toEqual(new Set(['c7g.large/a/spot']));
    expect(soldOutPools(stockOuts, later)).toEqual(new Set());
  });

  it('is remembered of a used-up quota too, and of nothing else', () => {
    const errors = [error('quota', 'q'), error('throttled', 't'), error('configuration', 'c'), error('unknown', 'u')];

    expect(rememberStockOuts([], errors, now).map((each) => each.pool)).toEqual(['q']);
  });

  it('is remembered once, for the longest, and forgotten in the end', () => {
    const first = rememberStockOuts([], [error('out-of-capacity', 'a', 'b')], now);
    const second = rememberStockOuts(first, [error('out-of-capacity', 'b', 'b')], new Date(at(60)));

    expect(second).toEqual([
      { pool: 'b', until: at(660) },
      { pool: 'a', until: at(600) },
    ]);
    expect(rememberStockOuts(second, [], later).map((each) => each.pool)).toEqual(['b']);
  });
});
