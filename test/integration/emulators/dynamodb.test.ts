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
  TransactWriteCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import { startDynamoDb } from '../../../local/emulators/dynamodb/start-dynamodb.ts';
import { clientConfig } from './client-config.ts';
import { addOne, client, createTable, db, get, put, TableName, useDynamoDb } from './dynamodb-fixture.ts';

useDynamoDb();

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
