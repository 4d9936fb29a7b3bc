import { describe, expect, it } from 'vitest';
import { readJsonBody } from './json-body.ts';

const read = (body: string | undefined, type: string | undefined = 'application/json', maxBytes = 1_000) =>
  readJsonBody({ headers: { 'content-type': type }, body }, maxBytes);

describe('a JSON body', () => {
  it.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON ;charset=utf-8'])(
    'of type "%s" is read',
    (type) => {
      expect(read('{"a":[1,null]}', type)).toEqual({ a: [1, null] });
    },
  );

  it.each(['text/plain', '', 'application/jsonl', 'multipart/form-data'])('of type "%s" is refused', (type) => {
    expect(() => read('{}', type)).toThrow(expect.objectContaining({ status: 415 }));
  });

  it('without a type is refused', () => {
    expect(() => readJsonBody({ headers: {}, body: '{}' }, 10)).toThrow(expect.objectContaining({ status: 415 }));
  });

  it('may be exactly as large as allowed, measured in bytes, and no byte larger (lesson 41)', () => {
    const body = JSON.stringify('ü'.repeat(10)); // 22 bytes, 12 characters

    expect(read(body, undefined, 22)).toBe('ü'.repeat(10));
    expect(() => read(body, undefined, 21)).toThrow(expect.objectContaining({ status: 413 }));
  });

  it.each([['{"a":'], ['{a: 1}'], [''], [undefined], ['NaN'], ['{"a":1}}']])('that is %j is no JSON', (body) => {
    expect(() => read(body)).toThrow(expect.objectContaining({ status: 400 }));
  });

  it('may be nested 100 levels deep, and no deeper', () => {
    const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

    expect(() => read(nested(100))).not.toThrow();
    expect(() => read(nested(101))).toThrow(expect.objectContaining({ status: 400 }));
    expect(() => read(`[${nested(50)},{"a":${nested(99)}}]`)).toThrow(expect.objectContaining({ status: 400 }));
  });

  it('that is nested without end is refused before it can exhaust the stack', () => {
    expect(() => read('['.repeat(2_000_000), undefined, 2_500_000)).toThrow(expect.objectContaining({ status: 400 }));
  });

  it('may hold any number of brackets in texts', () => {
    const text = `\\"${'[{'.repeat(101)}\\\\`;

    expect(read(`["${text}", []]`)).toHaveLength(2);
  });

  it('with a number that would be changed is refused at its place', () => {
    const at = (path: string) => expect.objectContaining({ faults: [expect.objectContaining({ path })] });

    expect(() => read('{"tasks":[{"input":{"seed":12345678901234567890}}]}')).toThrow(at('tasks[0].input.seed'));
    expect(() => read('{"budgetUsd":1e400}')).toThrow('the body has 1 fault');
  });
});
