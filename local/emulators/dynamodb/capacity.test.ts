import { describe, expect, it } from 'vitest';
import { indexWriteUnits, itemBytes, writeUnits } from './capacity.ts';
import type { Item } from './dynalite.ts';

/** An item of so many bytes altogether. */
const itemOf = (bytes: number): Item => ({ id: { S: 'x'.repeat(bytes - 2) } });

describe('the size of an item', () => {
  it.each<[string, Item, number]>([
    ['a string: its UTF-8 bytes, and those of its name', { name: { S: 'größe' } }, 4 + 7],
    ['a number: a byte for two digits and one more', { n: { N: '27' } }, 1 + 2],
    ['a negative number: one more for the sign', { n: { N: '-123.5' } }, 1 + 4],
    ['zeros before and after, which are not significant', { n: { N: '0.00150' } }, 1 + 2],
    ['binary: its raw bytes', { b: { B: Buffer.from('hello').toString('base64') } }, 1 + 5],
    ['null or a boolean: one byte', { a: { NULL: true }, b: { BOOL: false } }, 4],
    ['an empty list and an empty map: three bytes', { l: { L: [] }, m: { M: {} } }, 8],
    ['a set of strings: the sum of them', { s: { SS: ['ab', 'c'] } }, 1 + 3],
    ['a list: three bytes, and one for each element', { l: { L: [{ S: 'ab' }, { BOOL: true }] } }, 1 + 3 + 3 + 2],
    ['a map: three bytes, and one for each pair', { m: { M: { k: { S: 'ab' } } } }, 1 + 3 + 1 + 1 + 2],
  ])('counts %s', (_what, item, bytes) => {
    expect(itemBytes(item)).toBe(bytes);
  });
});

describe('write units', () => {
  // "DynamoDB read and write operations": 1 KB a unit, rounded up; transactional writes take two.
  it.each([
    [512, false, 1],
    [1_024, false, 1],
    [1_025, false, 2],
    [3_072, false, 3],
    [3_584, false, 4], // "if your item size is 3.5 KB" … rounded up to 4
    [3_072, true, 6], // "Perform transactional write requests of up to 3 KB … (3 x 2)"
    [500, true, 2],
  ])('are for %i bytes (transactional: %s) %i', (bytes, transactional, units) => {
    expect(writeUnits(undefined, itemOf(bytes), transactional)).toBe(units);
  });

  it('are those of the larger of the item before and after an update', () => {
    expect(writeUnits(itemOf(2_500), itemOf(100), false)).toBe(3);
    expect(writeUnits(itemOf(100), itemOf(2_500), false)).toBe(3);
  });

  it('are one for deleting what is not there', () => {
    expect(writeUnits(undefined, undefined, false)).toBe(1);
  });
});

describe('the write units of an index', () => {
  it('are one where an entry comes, goes or changes', () => {
    expect(indexWriteUnits(undefined, itemOf(100))).toBe(1);
    expect(indexWriteUnits(itemOf(100), undefined)).toBe(1);
    expect(indexWriteUnits(itemOf(100), itemOf(101))).toBe(1);
  });

  it('are none where nothing that the index holds has changed', () => {
    const before: Item = { a: { S: '1' }, b: { S: '2' } };

    expect(indexWriteUnits(before, { b: { S: '2' }, a: { S: '1' } })).toBe(0);
    expect(indexWriteUnits(undefined, undefined)).toBe(0);
  });
});
