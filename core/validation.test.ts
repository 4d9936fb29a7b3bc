import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ValidationError } from './errors.ts';
import { formatPath, parseDocument } from './validation.ts';

const schema = z.strictObject({ tasks: z.array(z.strictObject({ key: z.string() })), count: z.int() });

const faultsOf = (document: unknown) => {
  try {
    parseDocument(schema, document, 'the document');
    return [];
  } catch (error) {
    if (error instanceof ValidationError) return error.faults;
    throw error;
  }
};

describe('parseDocument', () => {
  it('hands back what the schema made of the document', () => {
    const document = { tasks: [{ key: 'a' }], count: 1 };

    expect(parseDocument(schema, document, 'the document')).toEqual(document);
  });

  it('names every fault at its place, never only the first', () => {
    const faults = faultsOf({ tasks: [{ key: 'a' }, { key: 1, extra: 1, other: 2 }], count: 'x', more: true });

    expect(faults.map((fault) => fault.path).sort()).toEqual([
      'count',
      'more',
      'tasks[1].extra',
      'tasks[1].key',
      'tasks[1].other',
    ]);
  });

  it('says of a key why it may not be one', () => {
    const named = z.record(z.string().regex(/^[a-z]+$/, 'must be in small letters'), z.int());
    const parse = () => parseDocument(named, { Near: 1 }, 'the document');

    expect(parse).toThrow(expect.objectContaining({ faults: [{ path: 'Near', message: 'must be in small letters' }] }));
  });

  it('says what is not valid', () => {
    expect(() => parseDocument(schema, {}, 'the submission')).toThrow('the submission is not valid');
  });

  it('calls the document itself $', () => {
    expect(faultsOf(null)).toEqual([{ path: '$', message: expect.any(String) }]);
  });
});

describe('formatPath', () => {
  it.each([
    [[], '$'],
    [['tasks', 3, 'key'], 'tasks[3].key'],
    [[0, 'key'], '[0].key'],
    [['env', 'A B'], 'env.A B'],
  ])('writes %j as %s', (path, text) => {
    expect(formatPath(path)).toBe(text);
  });
});
