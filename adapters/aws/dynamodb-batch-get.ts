/** Many items by their keys, in as few calls as possible, until the last of them is read. */
import { BatchGetCommand, type DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { TransientError } from '../../core/errors.ts';
import { backoff } from '../backoff.ts';
import { chunked, inParallel } from '../in-parallel.ts';

const MAX_KEYS = 100;
const CALLS_AT_ONCE = 4;
const MAX_TRIES = 8;

type Items = Record<string, unknown>[];

export interface BatchGet {
  readonly table: string;
  /** No key twice: DynamoDB refuses that. */
  readonly keys: Items;
  readonly consistent?: boolean;
}

/** @returns the items that there are, in no order @throws TransientError when some stay unread */
export async function batchGet(client: DynamoDBDocumentClient, { table, keys, consistent }: BatchGet): Promise<Items> {
  const parts = await inParallel(chunked(keys, MAX_KEYS), CALLS_AT_ONCE, async (batch) => {
    const found: Items = [];
    let left: Items = batch;
    for (let tries = 1; left.length > 0; tries += 1) {
      if (tries > MAX_TRIES) throw new TransientError('items could not be read', { context: { left: left.length } });
      const request = { [table]: { Keys: left, ConsistentRead: consistent ?? false } };
      const answer = await client.send(new BatchGetCommand({ RequestItems: request }));
      found.push(...(answer.Responses?.[table] ?? []));
      left = answer.UnprocessedKeys?.[table]?.Keys ?? [];
      // "we strongly recommend that you use an exponential backoff algorithm" (BatchGetItem).
      if (left.length > 0) await backoff(tries);
    }
    return found;
  });
  return parts.flat();
}
