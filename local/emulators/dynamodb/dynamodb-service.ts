/** The DynamoDB API over dynalite's actions, with what they lack: transactions, old items on failure, TTL settings. */
import { AwsError } from '../protocol/aws-error.ts';
import type { JsonHandler } from '../protocol/json-protocol.ts';
import { checkInput, isSingleOperation, runAction, type Store } from './dynalite.ts';
import { IdempotencyTokens } from './idempotency-tokens.ts';
import { writeSingle } from './single-write.ts';
import { changeTable } from './table-changes.ts';
import { describeTimeToLive, updateTimeToLive } from './time-to-live.ts';
import { transactGet } from './transact-get.ts';
import { transactWrite } from './transact-write.ts';
import { WriteLock } from './write-lock.ts';

/**
 * Every DynamoDB call of this process passes through the returned function. Writes are serialized: each sees the
 * result of the one before it, and reads never see half of one.
 */
export function createDynamoDbHandler(store: Store, now: () => number): JsonHandler {
  const lock = new WriteLock();
  const tokens = new IdempotencyTokens(now);

  return ({ operation, input }) => {
    if (typeof input !== 'object' || input === null) throw new AwsError('SerializationException', 'Not an object');
    switch (operation) {
      case 'PutItem':
      case 'UpdateItem':
      case 'DeleteItem':
      case 'BatchWriteItem':
        return lock.run(() => writeSingle(operation, input, store));
      case 'TransactWriteItems':
        return lock.run(() => transactWrite(input, store, tokens));
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
        return runAction(operation, store, checkInput(operation, input, store));
    }
  };
}
