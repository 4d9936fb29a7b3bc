import { describe, expect, it } from 'vitest';
import { usd } from './money.ts';

describe('dollars for people', () => {
  it.each([
    [7.4, '$7.40'],
    [1234.567, '$1234.57'],
    [0.5, '$0.50'],
    [0.0117, '$0.012'],
    [0.00000213, '$0.0000021'],
    [0, '$0.00'],
  ])('%d is %s', (dollars, text) => {
    expect(usd(dollars)).toBe(text);
  });
});
