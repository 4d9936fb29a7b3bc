import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as raw from '@aws-sdk/client-dynamodb';
import {
  BatchWriteCommand,
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  TransactGetCommand,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDynamoDb } from '../../../local/emulators/dynamodb/start-dynamodb.ts';
import { clientConfig } from './client-config.ts';

const TableName = 'tasks';
let server: Awaited<ReturnType<typeof startDynamoDb>>;
let client: raw.DynamoDBClient;
let db: DynamoDBDocumentClient;

function createTable(on: raw.DynamoDBClient, name = TableName) {
  return on.send(
    new raw.CreateTableCommand({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['pk', 'sk', 'group'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: 'byGroup',
          KeySchema: [
            { AttributeName: 'group', KeyType: 'HASH' },
            { AttributeName: 'sk', KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'ALL' },
        },
      ],
    }),
  );
}

beforeAll(async () => {
  server = await startDynamoDb({ port: 0 });
  client = new raw.DynamoDBClient(clientConfig(server.url));
  db = DynamoDBDocumentClient.from(client);
  await createTable(client);
});
afterAll(async () => {
  client.destroy();
  await server.stop();
});

const put = (Item: Record<string, unknown>) => db.send(new PutCommand({ TableName, Item }));
const get = async (pk: string, sk = '0') =>
  (await db.send(new GetCommand({ TableName, Key: { pk, sk }, ConsistentRead: true }))).Item;
const transact = (TransactItems: TransactWriteCommandInput['TransactItems'], ClientRequestToken?: string) =>
  db.send(new TransactWriteCommand({ TransactItems, ClientRequestToken }));
const inGroup = async (group: string) => {
  const command = new QueryCommand({
    TableName,
    IndexName: 'byGroup',
    KeyConditionExpression: '#g = :g',
    ExpressionAttributeNames: { '#g': 'group' },
    ExpressionAttributeValues: { ':g': group },
  });
  return ((await db.send(command)).Items ?? []).map((item) => item['pk']);
};
const addOne = (pk: string, amount = 1) => ({
  Update: {
    TableName,
    Key: { pk, sk: '0' },
    UpdateExpression: 'ADD n :n',
    ExpressionAttributeValues: { ':n': amount },
  },
});

describe('DynamoDB single writes', () => {
  it('has a table ready as soon as it was created', async () => {
    await createTable(client, 'fresh');
    const { Table } = await client.send(new raw.DescribeTableCommand({ TableName: 'fresh' }));
    expect(Table?.TableStatus).toBe('ACTIVE');
    await client.send(new raw.DeleteTableCommand({ TableName: 'fresh' }));
    await expect(client.send(new raw.DescribeTableCommand({ TableName: 'fresh' }))).rejects.toBeInstanceOf(
      raw.ResourceNotFoundException,
    );
  });

  it('returns the old item with a failed condition to those who ask', async () => {
    await put({ pk: 'old', sk: '0', n: 1 });
    const Key = { pk: 'old', sk: '0' };
    const condition = { TableName, ConditionExpression: 'n = :x', ExpressionAttributeValues: { ':x': 9 } };
    const ask = { ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const };
    const writes = [
      () => db.send(new PutCommand({ ...condition, ...ask, Item: Key })),
      () => db.send(new UpdateCommand({ ...condition, ...ask, Key, UpdateExpression: 'SET m = :x' })),
      () => db.send(new DeleteCommand({ ...condition, ...ask, Key })),
    ];
    for (const write of writes) {
      await expect(write()).rejects.toMatchObject({ name: 'ConditionalCheckFailedException', Item: { n: { N: '1' } } });
    }
    await expect(db.send(new DeleteCommand({ ...condition, Key }))).rejects.toHaveProperty('Item', undefined);
  });

  it('serializes writes: no update is lost and one racer wins', async () => {
    await Promise.all(Array.from({ length: 100 }, () => db.send(new UpdateCommand(addOne('counter').Update))));
    expect(await get('counter')).toMatchObject({ n: 100 });
    const claim = (index: number) =>
      db.send(
        new PutCommand({
          TableName,
          Item: { pk: 'claim', sk: '0', index },
          ConditionExpression: 'attribute_not_exists(pk)',
        }),
      );
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => claim(index)));
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  });

  it('writes batches, and queries an index in order, in pages and backwards', async () => {
    const requests = Array.from({ length: 20 }, (_, index) => ({
      PutRequest: { Item: { pk: `page-${index}`, sk: String(index).padStart(2, '0'), group: 'pages' } },
    }));
    await db.send(new BatchWriteCommand({ RequestItems: { [TableName]: requests } }));
    const seen: unknown[] = [];
    let ExclusiveStartKey: Record<string, unknown> | undefined;
    do {
      const page = await db.send(
        new QueryCommand({
          TableName,
          IndexName: 'byGroup',
          KeyConditionExpression: '#g = :g AND sk > :from',
          ExpressionAttributeNames: { '#g': 'group' },
          ExpressionAttributeValues: { ':g': 'pages', ':from': '04' },
          ScanIndexForward: false,
          Limit: 4,
          ExclusiveStartKey,
        }),
      );
      seen.push(...(page.Items ?? []).map((item) => Number(item['sk'])));
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey);
    expect(seen).toEqual(Array.from({ length: 15 }, (_, index) => 19 - index));
  });

  it('refuses what DynamoDB refuses', async () => {
    await expect(put({ pk: 'no sort key' })).rejects.toMatchObject({ name: 'ValidationException' });
    await expect(put({ pk: 'big', sk: '0', b: 'x'.repeat(410_000) })).rejects.toMatchObject({
      name: 'ValidationException',
    });
    await expect(db.send(new GetCommand({ TableName: 'nowhere', Key: { pk: 'a', sk: 'b' } }))).rejects.toBeInstanceOf(
      raw.ResourceNotFoundException,
    );
  });

  it('keeps the time-to-live setting', async () => {
    const describe = async () =>
      (await client.send(new raw.DescribeTimeToLiveCommand({ TableName }))).TimeToLiveDescription;
    expect(await describe()).toEqual({ TimeToLiveStatus: 'DISABLED' });
    const TimeToLiveSpecification = { AttributeName: 'expiresAt', Enabled: true };
    await client.send(new raw.UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification }));
    expect(await describe()).toEqual({ TimeToLiveStatus: 'ENABLED', AttributeName: 'expiresAt' });
  });
});

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

describe('DynamoDB on disk', () => {
  it('keeps tables, items, index and settings across a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-tables-'));
    const path = join(folder, 'dynamodb');
    const first = await startDynamoDb({ port: 0, path });
    const before = new raw.DynamoDBClient(clientConfig(first.url));
    await createTable(before);
    await DynamoDBDocumentClient.from(before).send(
      new TransactWriteCommand({
        TransactItems: [{ Put: { TableName, Item: { pk: 'kept', sk: '0', group: 'kept' } } }],
      }),
    );
    await first.stop();

    const second = await startDynamoDb({ port: 0, path });
    const after = DynamoDBDocumentClient.from(new raw.DynamoDBClient(clientConfig(second.url)));
    const { Items } = await after.send(
      new QueryCommand({
        TableName,
        IndexName: 'byGroup',
        KeyConditionExpression: '#g = :g',
        ExpressionAttributeNames: { '#g': 'group' },
        ExpressionAttributeValues: { ':g': 'kept' },
      }),
    );
    expect(Items).toEqual([{ pk: 'kept', sk: '0', group: 'kept' }]);
    await second.stop();
    await rm(folder, { recursive: true });
  });
});
