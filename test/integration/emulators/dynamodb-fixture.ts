/** A DynamoDB emulator with one table and one index, and the calls that its tests share. */
import * as raw from '@aws-sdk/client-dynamodb';
import {
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  TransactWriteCommand,
  type TransactWriteCommandInput,
} from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll } from 'vitest';
import { startDynamoDb } from '../../../local/emulators/dynamodb/start-dynamodb.ts';
import { clientConfig } from './client-config.ts';

export const TableName = 'tasks';

export let client: raw.DynamoDBClient;
export let db: DynamoDBDocumentClient;

/** Starts one, with the table, for the tests of a file. */
export function useDynamoDb(): void {
  let server: Awaited<ReturnType<typeof startDynamoDb>>;
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
}

export function createTable(on: raw.DynamoDBClient, name = TableName) {
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

export const put = (Item: Record<string, unknown>) => db.send(new PutCommand({ TableName, Item }));
export const get = async (pk: string, sk = '0') =>
  (await db.send(new GetCommand({ TableName, Key: { pk, sk }, ConsistentRead: true }))).Item;
export const transact = (TransactItems: TransactWriteCommandInput['TransactItems'], ClientRequestToken?: string) =>
  db.send(new TransactWriteCommand({ TransactItems, ClientRequestToken }));
export const inGroup = async (group: string) => {
  const command = new QueryCommand({
    TableName,
    IndexName: 'byGroup',
    KeyConditionExpression: '#g = :g',
    ExpressionAttributeNames: { '#g': 'group' },
    ExpressionAttributeValues: { ':g': group },
  });
  return ((await db.send(command)).Items ?? []).map((item) => item['pk']);
};
export const addOne = (pk: string, amount = 1) => ({
  Update: {
    TableName,
    Key: { pk, sk: '0' },
    UpdateExpression: 'ADD n :n',
    ExpressionAttributeValues: { ':n': amount },
  },
});
