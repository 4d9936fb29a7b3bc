/** What the bench stands on: requests counted on the wire, and units by the documented rules. */

import * as raw from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { DynamoDBDocumentClient, GetCommand, PutCommand, TransactWriteCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, describe, expect, it } from 'vitest';
import { COUNTS_PATH, type OperationCount } from '../../../local/emulators/protocol/request-counts.ts';
import { startEmulators } from '../../../local/emulators/start-emulators.ts';
import { clientConfig } from './client-config.ts';
import { createTable, TableName } from './dynamodb-fixture.ts';

const emulators = await startEmulators();
const dynamo = new raw.DynamoDBClient(clientConfig(emulators.dynamodbUrl));
const db = DynamoDBDocumentClient.from(dynamo);
await createTable(dynamo);

afterAll(() => emulators.stop());

async function countsOf(url: string): Promise<Record<string, OperationCount>> {
  const response = await fetch(url + COUNTS_PATH);
  const { operations } = (await response.json()) as { operations: Record<string, OperationCount> }; // told by us
  return operations;
}

/** Units that the work took, by operation. */
async function unitsOf(operation: string, work: () => Promise<unknown>): Promise<[write: number, read: number]> {
  const before = (await countsOf(emulators.dynamodbUrl))[operation];
  await work().catch(() => undefined);
  const after = (await countsOf(emulators.dynamodbUrl))[operation];
  return [(after?.writeUnits ?? 0) - (before?.writeUnits ?? 0), (after?.readUnits ?? 0) - (before?.readUnits ?? 0)];
}

const item = (pk: string, bytes: number, more: Record<string, unknown> = {}) => ({
  pk,
  sk: '0',
  text: 'x'.repeat(bytes),
  ...more,
});

describe('the requests of a service', () => {
  it('are counted by operation, with bytes and billed chunks, failures included', async () => {
    const sqs = new SQSClient(clientConfig(emulators.sqsUrl));
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'counted' }));

    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x'.repeat(100_000) }));
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }));
    await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
    await sqs.send(new ReceiveMessageCommand({ QueueUrl: `${QueueUrl}-unknown` })).catch(() => undefined);
    await sqs.send(new ReceiveMessageCommand({ QueueUrl }));

    const { SendMessage, ReceiveMessage } = await countsOf(emulators.sqsUrl);
    expect(SendMessage).toMatchObject({ requests: 2, billedChunks: 3 });
    expect(SendMessage?.requestBytes).toBeGreaterThan(100_000);
    expect(ReceiveMessage).toMatchObject({ requests: 3, billedChunks: 4 });
    sqs.destroy();
  });

  it('are counted for S3 by the names of its API', async () => {
    const s3 = new S3Client(clientConfig(emulators.s3Url));
    await s3.send(new CreateBucketCommand({ Bucket: 'counted' }));
    await s3.send(new PutObjectCommand({ Bucket: 'counted', Key: 'a/b', Body: 'text' }));

    const counts = await countsOf(emulators.s3Url);

    expect(counts).toMatchObject({ CreateBucket: { requests: 1 }, PutObject: { requests: 1 } });
    s3.destroy();
  });
});

describe('the capacity units of DynamoDB', () => {
  it('are one a KB for a write, of the larger item, and nothing for an index that the item is not in', async () => {
    expect(await unitsOf('PutItem', () => db.send(new PutCommand({ TableName, Item: item('a', 500) })))).toEqual([
      1, 0,
    ]);
    expect(await unitsOf('PutItem', () => db.send(new PutCommand({ TableName, Item: item('a', 2_500) })))).toEqual([
      3, 0,
    ]);
    expect(await unitsOf('PutItem', () => db.send(new PutCommand({ TableName, Item: item('a', 10) })))).toEqual([3, 0]);
  });

  it('count the entry of an index: one when it comes, two when its key changes, none when it stays', async () => {
    const put = (group: string) => () => db.send(new PutCommand({ TableName, Item: item('i', 10, { group }) }));

    expect(await unitsOf('PutItem', put('one'))).toEqual([2, 0]);
    expect(await unitsOf('PutItem', put('one'))).toEqual([1, 0]);
    expect(await unitsOf('PutItem', put('two'))).toEqual([3, 0]);
  });

  it('are two a KB in a transaction, for checked and refused items too', async () => {
    const write = (ConditionExpression: string) => () =>
      db.send(
        new TransactWriteCommand({
          TransactItems: [
            { Put: { TableName, Item: item('t', 100) } },
            { Put: { TableName, Item: item('u', 1_500) } },
            { ConditionCheck: { TableName, Key: { pk: 'nobody', sk: '0' }, ConditionExpression } },
          ],
        }),
      );

    expect(await unitsOf('TransactWriteItems', write('attribute_not_exists(pk)'))).toEqual([2 + 4 + 2, 0]);
    expect(await unitsOf('TransactWriteItems', write('attribute_exists(pk)'))).toEqual([2 + 4 + 2, 0]);
  });

  it('are one for 4 KB of a consistent read, half of it for another', async () => {
    await db.send(new PutCommand({ TableName, Item: item('r', 5_000) }));
    const read = (ConsistentRead: boolean) => () =>
      db.send(new GetCommand({ TableName, Key: { pk: 'r', sk: '0' }, ConsistentRead }));

    expect(await unitsOf('GetItem', read(true))).toEqual([0, 2]);
    expect(await unitsOf('GetItem', read(false))).toEqual([0, 1]);
  });
});
