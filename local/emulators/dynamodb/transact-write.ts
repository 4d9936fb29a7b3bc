/** `TransactWriteItems`: every condition holds and every write happens, or nothing happens at all. */
import { z } from 'zod';
import { AwsError } from '../protocol/aws-error.ts';
import { parseInput } from '../protocol/parse-input.ts';
import { writeUnits } from './capacity.ts';
import {
  asAwsError,
  type CheckedInput,
  checkConditional,
  checkInput,
  createKey,
  type Item,
  loadItem,
  loadTable,
  runAction,
  type SingleOperation,
  type Store,
  validateItem,
  validateKey,
} from './dynalite.ts';
import type { IdempotencyTokens } from './idempotency-tokens.ts';
import { isConditionFailure } from './single-write.ts';
import { stageWrites } from './staged-store.ts';

const entry = z.looseObject({ TableName: z.string(), ReturnValuesOnConditionCheckFailure: z.string().optional() });

const inputSchema = z.object({
  ClientRequestToken: z.string().min(1).max(36).optional(),
  TransactItems: z
    .array(
      z
        .object({
          Put: entry,
          Update: entry,
          Delete: entry,
          ConditionCheck: entry.extend({ ConditionExpression: z.string() }),
        })
        .partial()
        .refine((item) => Object.keys(item).length === 1, 'Exactly one of Put, Update, Delete, ConditionCheck'),
    )
    .min(1, 'Member must have length greater than or equal to 1')
    .max(100, 'Member must have length less than or equal to 100'),
});

type Input = z.output<typeof inputSchema>;
type Action = keyof Input['TransactItems'][number];

interface PreparedWrite {
  readonly action: Action;
  readonly input: CheckedInput;
  readonly returnOld: boolean;
  /** The item as it stands before the transaction. */
  readonly current: Item | undefined;
}

interface CancellationReason {
  readonly Code: string;
  readonly Message?: string;
  readonly Item?: object;
}

/** A condition check has a delete's shape, and is never run as one. */
const operationOf: Readonly<Record<Action, SingleOperation>> = {
  Put: 'PutItem',
  Update: 'UpdateItem',
  Delete: 'DeleteItem',
  ConditionCheck: 'DeleteItem',
};

/**
 * Carries out one transaction. The caller keeps other writers out meanwhile.
 *
 * @param charge told the write units, those of a refused transaction too
 * @throws {AwsError} `TransactionCanceledException` with a reason for every item, `ValidationException`,
 *   `IdempotentParameterMismatchException` for a token that came with another request within ten minutes
 */
export async function transactWrite(
  rawInput: unknown,
  base: Store,
  tokens: IdempotencyTokens,
  charge: (units: number) => void,
): Promise<object> {
  const input = parseInput(inputSchema, rawInput, 'ValidationException');
  if (tokens.isRepeat(input.ClientRequestToken, input.TransactItems)) return {};
  const writes = await prepare(input, base);
  const { store, commit, units } = stageWrites(base);
  const reasons: CancellationReason[] = [];
  for (const write of writes) reasons.push(await apply(write, store));
  charge((await units(true)) + unitsOfUnstaged(writes, reasons));
  if (reasons.some((reason) => reason.Code !== 'None')) throw canceled(reasons);
  await commit();
  tokens.remember(input.ClientRequestToken, input.TransactItems);
  return {};
}

/** A checked or refused item is read and prepared like a written one, and costs as much. */
function unitsOfUnstaged(writes: readonly PreparedWrite[], reasons: readonly CancellationReason[]): number {
  return writes
    .filter((write, place) => write.action === 'ConditionCheck' || reasons[place]?.Code !== 'None')
    .reduce((sum, { current }) => sum + writeUnits(current, undefined, true), 0);
}

async function prepare(input: Input, base: Store): Promise<PreparedWrite[]> {
  const seen = new Set<string>();
  const writes: PreparedWrite[] = [];
  for (const transactItem of input.TransactItems) {
    for (const [name, raw] of Object.entries(transactItem)) {
      if (raw === undefined) continue;
      // The schema knows these four keys and drops all others.
      const action = name as Action;
      const checked = checkInput(operationOf[action], raw, base);
      const table = await loadTable(base, checked.TableName);
      const key = addressedKey(checked, table);
      const address = `${table.TableName} ${key}`;
      if (seen.has(address)) throw duplicateItem();
      seen.add(address);
      const current = await loadItem(base, table, key);
      writes.push({
        action,
        input: checked,
        returnOld: raw.ReturnValuesOnConditionCheckFailure === 'ALL_OLD',
        current,
      });
    }
  }
  return writes;
}

function addressedKey(input: CheckedInput, table: Awaited<ReturnType<typeof loadTable>>): string {
  const fault = input.Item === undefined ? validateKey(input.Key ?? {}, table) : validateItem(input.Item, table);
  if (fault) throw asAwsError(fault);
  return createKey(input.Item ?? input.Key ?? {}, table);
}

async function apply(write: PreparedWrite, store: Store): Promise<CancellationReason> {
  try {
    if (write.action === 'ConditionCheck') checkCondition(write);
    else await runAction(operationOf[write.action], store, write.input);
    return { Code: 'None' };
  } catch (error) {
    if (isConditionFailure(error)) {
      const old = write.returnOld && write.current !== undefined ? { Item: write.current } : {};
      return { Code: 'ConditionalCheckFailed', Message: error.message, ...old };
    }
    if (error instanceof AwsError && error.code === 'ValidationException') {
      return { Code: 'ValidationError', Message: error.message };
    }
    throw error;
  }
}

function checkCondition(write: PreparedWrite): void {
  const fault = checkConditional(write.input, write.current);
  if (fault) throw asAwsError(fault);
}

export function canceled(reasons: readonly CancellationReason[]): AwsError {
  const codes = reasons.map((reason) => reason.Code).join(', ');
  const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`;
  return new AwsError('TransactionCanceledException', message, {
    members: { Message: message, CancellationReasons: reasons },
  });
}

function duplicateItem(): AwsError {
  return new AwsError('ValidationException', 'Transaction request cannot include multiple operations on one item');
}
