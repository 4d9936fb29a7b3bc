import { setImmediate } from 'node:timers/promises';
import { AwsError } from '../protocol/aws-error.ts';
import { checkInput, loadTable, runAction, type SingleOperation, type Store } from './dynalite.ts';
import { forgetTimeToLive } from './time-to-live.ts';

/**
 * `CreateTable`, `UpdateTable` or `DeleteTable`. dynalite finishes these on a timer after it has answered; waiting for
 * that means that the next call already finds the table as asked.
 */
export async function changeTable(operation: SingleOperation, input: object, store: Store): Promise<object> {
  const checked = checkInput(operation, input, store);
  const result = await runAction(operation, store, checked);
  if (operation === 'DeleteTable') await forgetTimeToLive(checked.TableName, store);
  while (!(await isSettled(operation, checked.TableName, store))) await setImmediate();
  return result;
}

async function isSettled(operation: SingleOperation, tableName: string, store: Store): Promise<boolean> {
  try {
    const table = await loadTable(store, tableName, 'any');
    const indexes = table.GlobalSecondaryIndexes ?? [];
    return (
      operation !== 'DeleteTable' &&
      table.TableStatus === 'ACTIVE' &&
      indexes.every((index) => index.IndexStatus === 'ACTIVE')
    );
  } catch (error) {
    if (error instanceof AwsError && error.code === 'ResourceNotFoundException') return operation === 'DeleteTable';
    throw error;
  }
}
