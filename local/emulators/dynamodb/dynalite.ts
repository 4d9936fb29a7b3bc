/**
 * What is used of dynalite (pinned: these are its inner modules): its store, its validations, and one action for
 * each single-table operation. Its own HTTP server is not used, because it knows no transactions.
 */
import { createRequire } from 'node:module';
import { AwsError } from '../protocol/aws-error.ts';

export type AttributeValue = Readonly<Record<string, unknown>>;
export type Item = Readonly<Record<string, AttributeValue>>;

/** An operation's input after dynalite's validation, which also adds the parsed expressions. */
export interface CheckedInput {
  readonly TableName: string;
  readonly Key?: Item;
  readonly Item?: Item;
  [member: string]: unknown;
}

export interface Table {
  readonly TableName: string;
  readonly TableStatus: string;
  readonly GlobalSecondaryIndexes?: readonly { readonly IndexStatus: string }[];
}

type Callback<Result> = (error: unknown, result?: Result) => void;

/** The part of a store that actions write items and index entries to. */
export interface ItemDb {
  get(key: string, callback: Callback<Item>): void;
  put(key: string, value: Item, callback: Callback<void>): void;
  del(key: string, callback: Callback<void>): void;
  lock(key: string, run: (release: <F>(callback: F) => F) => void): void;
}

export interface LevelDb {
  get(key: string): Promise<unknown>;
  put(key: string, value: unknown): Promise<void>;
  del(key: string): Promise<void>;
  batch(operations: readonly LevelOperation[]): Promise<void>;
  close(): Promise<void>;
}

export type LevelOperation =
  | { readonly type: 'put'; readonly key: string; readonly value: Item }
  | { readonly type: 'del'; readonly key: string };

export interface Store {
  readonly db: LevelDb;
  getItemDb(table: string): ItemDb;
  getIndexDb(indexType: string, table: string, index: string): ItemDb;
  getTable(name: string, checkStatus: boolean, callback: Callback<Table>): void;
}

interface StoreOptions {
  readonly path?: string;
  readonly createTableMs: number;
  readonly deleteTableMs: number;
  readonly updateTableMs: number;
}

interface DbModule {
  create(options: StoreOptions): Store;
  createKey(item: Item, table: Table): string;
  validateKey(key: Item, table: Table): Error | null | undefined;
  validateItem(item: Item, table: Table): Error | null | undefined;
  checkConditional(input: CheckedInput, item: Item | undefined): Error | null | undefined;
}

interface OperationRules {
  readonly types: object;
  readonly custom?: unknown;
}

interface ValidationsModule {
  checkTypes(input: object, types: object): CheckedInput;
  checkValidations(input: CheckedInput, types: object, custom: unknown, store: Store): void;
  toLowerFirst(name: string): string;
}

type Action = (store: Store, input: CheckedInput, callback: Callback<Record<string, unknown>>) => void;

const require = createRequire(import.meta.url);
const db: DbModule = require('dynalite/db');
const validations: ValidationsModule = require('dynalite/validations');

const operationNames = [
  'BatchGetItem',
  'BatchWriteItem',
  'CreateTable',
  'DeleteItem',
  'DeleteTable',
  'DescribeTable',
  'GetItem',
  'ListTables',
  'PutItem',
  'Query',
  'Scan',
  'TagResource',
  'UntagResource',
  'ListTagsOfResource',
  'UpdateItem',
  'UpdateTable',
] as const;

export type SingleOperation = (typeof operationNames)[number];

const rules = new Map<string, OperationRules>();
const actions = new Map<string, Action>();
for (const name of operationNames) {
  rules.set(name, require(`dynalite/validations/${validations.toLowerFirst(name)}`));
  actions.set(name, require(`dynalite/actions/${validations.toLowerFirst(name)}`));
}

export const { createKey, validateKey, validateItem, checkConditional } = db;

export function isSingleOperation(name: string): name is SingleOperation {
  return rules.has(name);
}

/** Opens the store: in memory, or in a LevelDB folder. */
export function openStore(path: string | undefined): Store {
  return db.create({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0, ...(path !== undefined && { path }) });
}

/** Checks an operation's input as DynamoDB would. @throws {AwsError} such as `ValidationException` */
export function checkInput(operation: SingleOperation, input: object, store: Store): CheckedInput {
  const { types, custom } = rules.get(operation) ?? { types: {} };
  try {
    const checked = validations.checkTypes({ ...input }, types);
    validations.checkValidations(checked, types, custom, store);
    return checked;
  } catch (error) {
    throw asAwsError(error);
  }
}

/** Carries out one operation. @throws {AwsError} such as `ConditionalCheckFailedException` */
export async function runAction(
  operation: SingleOperation,
  store: Store,
  input: CheckedInput,
): Promise<Record<string, unknown>> {
  const result = await fromCallback<Record<string, unknown>>((callback) =>
    actions.get(operation)?.(store, input, callback),
  );
  return result ?? {};
}

/**
 * @param status `ready` for a table that can be used, `any` for one that may be on its way in or out
 * @throws {AwsError} `ResourceNotFoundException`
 */
export async function loadTable(store: Store, name: string, status: 'ready' | 'any' = 'ready'): Promise<Table> {
  const table = await fromCallback<Table>((callback) => store.getTable(name, status === 'ready', callback));
  if (table === undefined) throw new AwsError('ResourceNotFoundException', 'Requested resource not found');
  return table;
}

/** The item under a key, as the given store sees it. */
export function loadItem(store: Store, table: Table, key: string): Promise<Item | undefined> {
  return fromCallback<Item>((callback) => store.getItemDb(table.TableName).get(key, callback));
}

function fromCallback<Result>(run: (callback: Callback<Result>) => void): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    try {
      run((error, result) => (isNullish(error) ? resolve(result) : reject(asAwsError(error))));
    } catch (error) {
      reject(asAwsError(error));
    }
  });
}

function isNullish(value: unknown): boolean {
  return value === null || value === undefined;
}

/** dynalite's errors carry the wire body; anything else is a fault of the emulator and passes unchanged. */
export function asAwsError(error: unknown): unknown {
  if (!(error instanceof Error) || !('body' in error) || typeof error.body !== 'object' || error.body === null) {
    return error;
  }
  const body: { __type?: unknown; message?: unknown; Message?: unknown } = error.body;
  const type = String(body.__type);
  return new AwsError(type.slice(type.indexOf('#') + 1), String(body.message ?? body.Message ?? ''), { cause: error });
}
