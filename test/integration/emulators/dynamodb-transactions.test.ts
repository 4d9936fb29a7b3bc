import * as raw from '@aws-sdk/client-dynamodb';
import { TransactGetCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import { addOne, db, get, inGroup, put, TableName, transact, useDynamoDb } from './dynamodb-fixture.ts';

useDynamoDb();

describe('DynamoDB transactions', () => {
  it('carry out put, update, delete and check together', async () => {
    await put({ pk: 'gone', sk: '0' });
    await put({ pk: 'checked', sk: '0', ok: true });
    await transact([
      { Put: { TableName, Item: { pk: 'made', sk: '0' }, ConditionExpression: 'attribute_not_exists(pk)' } },
      addOne('added', 5),
      { Delete: { TableName, Key: { pk: 'gone', sk: '0' } } },
      {
        ConditionCheck: {
          TableName,
          Key: { pk: 'checked', sk: '0' },
          ConditionExpression: 'ok = :t',
          ExpressionAttributeValues: { ':t': true },
        },
      },
    ]);
    expect([await get('made'), await get('added'), await get('gone'), await get('checked')]).toMatchObject([
      { pk: 'made' },
      { n: 5 },
      undefined,
      { ok: true },
    ]);
  });

  it('change nothing when one condition fails, and say which, with the old item', async () => {
    await put({ pk: 'taken', sk: '0', by: 'first' });
    const failed = transact([
      addOne('untouched'),
      {
        Put: {
          TableName,
          Item: { pk: 'taken', sk: '0', by: 'second' },
          ConditionExpression: 'attribute_not_exists(pk)',
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        },
      },
      {
        ConditionCheck: { TableName, Key: { pk: 'absent', sk: '0' }, ConditionExpression: 'attribute_exists(pk)' },
      },
    ]);
    await expect(failed).rejects.toMatchObject({
      name: 'TransactionCanceledException',
      message: expect.stringContaining('[None, ConditionalCheckFailed, ConditionalCheckFailed]'),
      CancellationReasons: [
        { Code: 'None' },
        { Code: 'ConditionalCheckFailed', Item: { by: { S: 'first' } } },
        { Code: 'ConditionalCheckFailed' },
      ],
    });
    expect(await get('untouched')).toBeUndefined();
    expect(await get('taken')).toMatchObject({ by: 'first' });
  });

  it('report an update that cannot be applied as a validation error of its item', async () => {
    await put({ pk: 'text', sk: '0', n: 'not a number' });
    await expect(transact([addOne('also untouched'), addOne('text')])).rejects.toMatchObject({
      CancellationReasons: [{ Code: 'None' }, { Code: 'ValidationError' }],
    });
    expect(await get('also untouched')).toBeUndefined();
  });

  it('maintain indexes: items enter, move and leave, and items without the key never appear', async () => {
    await transact([
      { Put: { TableName, Item: { pk: 'i1', sk: '1', group: 'red' } } },
      { Put: { TableName, Item: { pk: 'i2', sk: '2', group: 'red' } } },
      { Put: { TableName, Item: { pk: 'i3', sk: '3', group: 'red' } } },
      { Put: { TableName, Item: { pk: 'i4', sk: '4' } } },
    ]);
    expect(await inGroup('red')).toEqual(['i1', 'i2', 'i3']);
    const names = { ExpressionAttributeNames: { '#g': 'group' } };
    await transact([
      { Update: { TableName, Key: { pk: 'i1', sk: '1' }, UpdateExpression: 'REMOVE #g', ...names } },
      {
        Update: {
          TableName,
          Key: { pk: 'i2', sk: '2' },
          UpdateExpression: 'SET #g = :g',
          ExpressionAttributeValues: { ':g': 'blue' },
          ...names,
        },
      },
      { Delete: { TableName, Key: { pk: 'i3', sk: '3' } } },
      {
        Update: {
          TableName,
          Key: { pk: 'i4', sk: '4' },
          UpdateExpression: 'SET #g = :g',
          ExpressionAttributeValues: { ':g': 'red' },
          ...names,
        },
      },
    ]);
    expect(await inGroup('red')).toEqual(['i4']);
    expect(await inGroup('blue')).toEqual(['i2']);
  });

  it('leave the index alone when they are cancelled', async () => {
    await put({ pk: 'indexed', sk: '0', group: 'green' });
    const cancelled = transact([
      { Delete: { TableName, Key: { pk: 'indexed', sk: '0' } } },
      { ConditionCheck: { TableName, Key: { pk: 'absent', sk: '0' }, ConditionExpression: 'attribute_exists(pk)' } },
    ]);
    await expect(cancelled).rejects.toMatchObject({ name: 'TransactionCanceledException' });
    expect(await inGroup('green')).toEqual(['indexed']);
  });

  it('happen once for one client request token, and refuse another request under it', async () => {
    await transact([addOne('once')], 'token-1');
    await transact([addOne('once')], 'token-1');
    expect(await get('once')).toMatchObject({ n: 1 });
    await expect(transact([addOne('once', 2)], 'token-1')).rejects.toBeInstanceOf(
      raw.IdempotentParameterMismatchException,
    );
  });

  it('take a hundred items, and no two operations on one', async () => {
    const puts = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ Put: { TableName, Item: { pk: `many-${index}`, sk: '0' } } }));
    await transact(puts(100));
    expect(await get('many-99')).toBeDefined();
    await expect(transact(puts(101))).rejects.toMatchObject({ name: 'ValidationException' });
    await expect(transact([])).rejects.toMatchObject({ name: 'ValidationException' });
    await expect(transact([addOne('twice'), { Delete: { TableName, Key: { pk: 'twice', sk: '0' } } }])).rejects.toThrow(
      /multiple operations on one item/,
    );
  });

  it('are isolated from each other, and reads see both halves of one or none', async () => {
    const reads: unknown[] = [];
    const pair = ['left', 'right'].map((pk) => ({ Get: { TableName, Key: { pk, sk: '0' } } }));
    await Promise.all(
      Array.from({ length: 30 }, async () => {
        await transact([addOne('left'), addOne('right')]);
        const { Responses } = await db.send(new TransactGetCommand({ TransactItems: pair }));
        reads.push(Responses?.map((response) => response.Item?.['n']));
      }),
    );
    expect(await get('left')).toMatchObject({ n: 30 });
    for (const read of reads) expect(read).toEqual([(read as number[])[0], (read as number[])[0]]);
  });
});
