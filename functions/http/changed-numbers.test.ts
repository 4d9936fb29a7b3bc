import { describe, expect, it } from 'vitest';
import { changedNumbers } from './changed-numbers.ts';

describe('a number that a double does not keep', () => {
  it.each([
    ['12345678901234567890', '$'],
    ['{"tasks":[{"input":1},{"input":{"seed":-12345678901234567890}}]}', 'tasks[1].input.seed'],
    ['[0, 9007199254740993]', '[1]'],
    ['{"0": 9007199254740993}', '0'],
    ['{"__proto__": 1e400}', '__proto__'],
    ['[[\n-1E+0309]]', '[0][0]'],
    [`[${'9'.repeat(400)}.5]`, '[0]'],
    ['[1000000000000000e300]', '[0]'],
    ['{"tasks":[100000000000000000000000]}', 'tasks[0]'],
  ])('is named with its place: %s', (json, path) => {
    const message = 'is a number that would be changed (beyond 2^53): send it as text';

    expect(changedNumbers(json)).toEqual([{ path, message }]);
  });

  it('is named wherever there is one', () => {
    const faults = changedNumbers('{"a":[1e999,{"b":1}],"c":{"d":[9007199254740993,null]}}');

    expect(faults.map(({ path }) => path)).toEqual(['a[0]', 'c.d[0]']);
  });

  it.each([
    '9007199254740992',
    '-10000000000000000',
    '1e308',
    '123456789012345e0099',
    '0.12345678901234567890',
    '1e-400',
    '"12345678901234567890"',
    '", 12345678901234567890 1e400"',
    '{"12345678901234567890": [true, {}]}',
    '{"a": 1e400, "a": 1}',
  ])('is not in %s', (json) => {
    expect(changedNumbers(json)).toEqual([]);
  });
});
