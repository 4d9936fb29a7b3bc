/** API keys, found by the hash of the key: the key itself is stored nowhere. */
import { type DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import type { ApiKey, KeyStore } from '../../core/ports.ts';
import { pastConflicts } from './dynamodb-write.ts';

const apiKeySchema = z.object({ keyId: z.string(), name: z.string(), createdAt: z.string() });

export class DynamoKeyStore implements KeyStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(options: { client: DynamoDBDocumentClient; table: string }) {
    this.#client = options.client;
    this.#table = options.table;
  }

  async find(keyHash: string): Promise<ApiKey | undefined> {
    const { Item } = await this.#client.send(new GetCommand({ TableName: this.#table, Key: { keyHash } }));
    return Item ? apiKeySchema.parse(Item) : undefined;
  }

  async put(keyHash: string, key: ApiKey): Promise<void> {
    const put = { TableName: this.#table, Item: { keyHash, ...key } };
    await pastConflicts(() => this.#client.send(new PutCommand(put)));
  }
}
