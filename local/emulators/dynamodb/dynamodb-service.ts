/** The DynamoDB API over dynalite's actions, with what they lack: transactions, old items on failure, TTL settings. */
import { z } from 'zod';
import { AwsError } from '../protocol/aws-error.ts';
import type { JsonHandler } from '../protocol/json-protocol.ts';
import type { RequestCounts } from '../protocol/request-counts.ts';
import { checkInput, isSingleOperation, runAction, type SingleOperation, type Store } from './dynalite.ts';
import { IdempotencyTokens } from './idempotency-tokens.ts';
import { writeSingle } from './single-write.ts';
import { changeTable } from './table-changes.ts';
import { describeTimeToLive, updateTimeToLive } from './time-to-live.ts';
import { transactGet } from './transact-get.ts';
import { transactWrite } from './transact-write.ts';
import { WriteLock } from './write-lock.ts';

const CHARGED_READS: ReadonlySet<string> = new Set(['GetItem', 'BatchGetItem', 'Query', 'Scan']);

const capacity = z.object({ CapacityUnits: z.number().default(0) });
/** `BatchGetItem` tells one a table. */
const capacitySchema = z.union([z.array(capacity), capacity.transform((one) => [one])]);

/**
 * Every DynamoDB call of this process passes through the returned function. Writes are serialized: each sees the
 * result of the one before it, and reads never see half of one.
 */
export function createDynamoDbHandler(store: Store, now: () => number, counts: RequestCounts): JsonHandler {
  const lock = new WriteLock();
  const tokens = new IdempotencyTokens(now);

  return ({ operation, input }) => {
    const charge = (write: number): void => counts.addUnits(operation, { write });
    if (typeof input !== 'object' || input === null) throw new AwsError('SerializationException', 'Not an object');
    switch (operation) {
      case 'PutItem':
      case 'UpdateItem':
      case 'DeleteItem':
      case 'BatchWriteItem':
        return lock.run(() => writeSingle(operation, input, store, charge));
      case 'TransactWriteItems':
        return lock.run(() => transactWrite(input, store, tokens, charge));
      case 'TransactGetItems':
        return lock.run(() => transactGet(input, store));
      case 'CreateTable':
      case 'UpdateTable':
      case 'DeleteTable':
        return lock.run(() => changeTable(operation, input, store));
      case 'UpdateTimeToLive':
        return lock.run(() => updateTimeToLive(input, store));
      case 'DescribeTimeToLive':
        return describeTimeToLive(input, store);
      default:
        if (!isSingleOperation(operation))
          throw new AwsError('UnknownOperationException', `Not emulated: ${operation}`);
        return read(operation, input, store, counts);
    }
  };
}

/** Reads are charged as dynalite counts them, whether the caller wants to know that or not. */
async function read(operation: SingleOperation, input: object, store: Store, counts: RequestCounts): Promise<object> {
  const asked = 'ReturnConsumedCapacity' in input ? {} : { ReturnConsumedCapacity: 'TOTAL' };
  const counted = CHARGED_READS.has(operation) ? { ...input, ...asked } : input;
  const { ConsumedCapacity, ...answer } = await runAction(operation, store, checkInput(operation, counted, store));
  const capacities = capacitySchema.parse(ConsumedCapacity ?? []);
  counts.addUnits(operation, { read: capacities.reduce((sum, each) => sum + each.CapacityUnits, 0) });
  return 'ReturnConsumedCapacity' in input && ConsumedCapacity !== undefined ? { ...answer, ConsumedCapacity } : answer;
}
