import { AwsError } from '../protocol/aws-error.ts';
import { writeUnits } from './capacity.ts';
import {
  type CheckedInput,
  checkInput,
  createKey,
  type Item,
  loadItem,
  loadTable,
  runAction,
  type SingleOperation,
  type Store,
} from './dynalite.ts';
import { stageWrites } from './staged-store.ts';

/** Members that dynalite does not know; the rest of the input goes through its validation. */
export interface WriteInput {
  readonly ReturnValuesOnConditionCheckFailure?: unknown;
}

/**
 * `PutItem`, `UpdateItem`, `DeleteItem` or `BatchWriteItem`: item and index entries in one batch.
 *
 * @param charge told the write units, those of a refused write too
 * @throws {AwsError} with the old item in `Item` when a condition failed and `ALL_OLD` was asked for
 */
export async function writeSingle(
  operation: SingleOperation,
  input: WriteInput,
  base: Store,
  charge: (units: number) => void,
): Promise<object> {
  const checked = checkInput(operation, input, base);
  const { store, commit, units } = stageWrites(base);
  try {
    const result = await runAction(operation, store, checked);
    charge(await units(false));
    await commit();
    return result;
  } catch (error) {
    if (!isConditionFailure(error)) throw error;
    const item = await loadCurrent(base, checked);
    charge(writeUnits(item, undefined, false));
    if (item === undefined || input.ReturnValuesOnConditionCheckFailure !== 'ALL_OLD') throw error;
    throw new AwsError(error.code, error.message, { members: { Item: item }, cause: error });
  }
}

export function isConditionFailure(error: unknown): error is AwsError {
  return error instanceof AwsError && error.code === 'ConditionalCheckFailedException';
}

/** The item that a checked write addresses, as it stands. */
export async function loadCurrent(store: Store, input: CheckedInput): Promise<Item | undefined> {
  const table = await loadTable(store, input.TableName);
  return loadItem(store, table, createKey(input.Key ?? input.Item ?? {}, table));
}
