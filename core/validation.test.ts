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

describe('a fault', () => {
  const limit = z.coerce.number().int().min(1).max(500);
  const faultsIn = (value: z.ZodType, document: unknown): unknown => {
    try {
      return parseDocument(z.strictObject({ value }), document, 'the document');
    } catch (error) {
      return error instanceof ValidationError ? error.faults : error;
    }
  };

  it.each<[string, z.ZodType, unknown]>([
    ['must be a string', z.string(), 7],
    ['must be a number', z.number(), '7'],
    ['must be a number', limit, 'abc'],
    ['must be a number', z.number(), Number.POSITIVE_INFINITY],
    ['must be a whole number', z.int(), 1.5],
    ['must be a whole number', limit, '1.5'],
    ['must be true or false', z.boolean(), null],
    ['must be a list', z.array(z.string()), {}],
    ['must be an object', z.strictObject({}), []],
    ['must be an object', z.record(z.string(), z.int()), 'text'],
    ['must be null', z.null(), 1],
    ['must be high', z.literal('high'), 'low'],
    ['must be one of high, normal, low', z.enum(['high', 'normal', 'low']), 'urgent'],
    ['must be at most 500', limit, '501'],
    ['must be at most 500', limit, '99999999999999999999'],
    ['must be at least 1', limit, '-99999999999999999999'],
    ['must be more than 0', z.number().positive(), 0],
    ['must be less than 0', z.number().negative(), 0],
    ['must be a multiple of 5', z.number().multipleOf(5), 7],
    ['must not be empty', z.string().min(1), ''],
    ['must not be empty', z.array(z.string()).min(1), []],
    ['must have at least 2 characters', z.string().min(2), 'a'],
    ['must have at most 2 characters', z.string().max(2), 'abc'],
    ['must have at most 1 entry', z.array(z.string()).max(1), ['a', 'b']],
    ['must have exactly 2 entries', z.array(z.string()).length(2), ['a']],
    ['must be a URL', z.url(), 'x'],
    ['must be a moment such as 2030-01-31T18:00:00Z', z.iso.datetime(), 'tomorrow'],
    ['must begin with "api://"', z.string().startsWith('api://'), 'x'],
    ['is not of the form ^a+$', z.string().regex(/^a+$/), 'x'],
    ['is not valid', z.union([z.string(), z.int()]), null],
    ['is not available yet', z.null({ error: 'is not available yet' }), 1],
    ['takes at most 2', z.int().max(2, 'takes at most 2'), 1e30],
  ])('says "%s", once', (message, schema, value) => {
    expect(faultsIn(schema, { value })).toEqual([{ path: 'value', message }]);
  });

  it.each([z.string(), z.int(), z.enum(['a', 'b']), z.strictObject({}), z.array(z.int())])(
    'says of what is not there that it is required',
    (schema) => {
      expect(faultsIn(schema, {})).toEqual([{ path: 'value', message: 'is required' }]);
    },
  );

  it('keeps what is said by hand, however much of it is at one place', () => {
    const schema = z
      .string()
      .refine(() => false, 'is too plain')
      .refine(() => false, 'is too short');

    expect(faultsIn(schema, { value: 'x' })).toMatchObject([{ message: 'is too plain' }, { message: 'is too short' }]);
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
