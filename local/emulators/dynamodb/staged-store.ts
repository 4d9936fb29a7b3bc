/**
 * A view of a store in which writes are staged: reads see them, the store does not, until `commit` writes all of them,
 * items and index entries of every table, as one LevelDB batch. That is what makes a transaction all or nothing, and
 * keeps an index right when the process dies between two writes.
 */
import { indexWriteUnits, writeUnits } from './capacity.ts';
import type { Item, ItemDb, LevelOperation, Store } from './dynalite.ts';

export interface StagedStore {
  readonly store: Store;
  commit(): Promise<void>;
  /** What DynamoDB would charge for what is staged. To be asked before the commit. */
  units(transactional: boolean): Promise<number>;
}

/** Stages over the given store. The caller keeps other writers out until the commit is through. */
export function stageWrites(base: Store): StagedStore {
  /** By full key; `null` for a deletion. */
  const staged = new Map<string, Item | null>();
  /** What the store holds under the keys that were read on the way, which are mostly those that are written. */
  const before = new Map<string, Item | undefined>();
  /** Where each staged key lies in the store, to find what it replaces. */
  const places = new Map<string, { db: ItemDb; key: string; isIndex: boolean }>();

  const wrap = (prefix: string, db: ItemDb, isIndex: boolean): ItemDb => ({
    get: (key, callback) => {
      const value = staged.get(prefix + key);
      if (value === undefined) {
        db.get(key, (error, item) => {
          if (!error) before.set(prefix + key, item);
          callback(error, item);
        });
      } else callback(null, value ?? undefined);
    },
    put: (key, value, callback) => {
      staged.set(prefix + key, value);
      places.set(prefix + key, { db, key, isIndex });
      callback(null);
    },
    del: (key, callback) => {
      staged.set(prefix + key, null);
      places.set(prefix + key, { db, key, isIndex });
      callback(null);
    },
    lock: (_key, run) => run((callback) => callback),
  });

  const store: Store = {
    ...base,
    // dynalite keeps its sublevels as key prefixes of one database: these are the names it gives them.
    getItemDb: (table) => wrap(`item-${table}~`, base.getItemDb(table), false),
    getIndexDb: (indexType, table, index) =>
      wrap(`index-${indexType.toLowerCase()}~${table}~${index}~`, base.getIndexDb(indexType, table, index), true),
  };

  const commit = async () => {
    const operations = [...staged].map(
      ([key, value]): LevelOperation => (value === null ? { type: 'del', key } : { type: 'put', key, value }),
    );
    if (operations.length > 0) await base.db.batch(operations);
  };
  const units = async (transactional: boolean): Promise<number> => {
    let sum = 0;
    for (const [fullKey, { db, key, isIndex }] of places) {
      const old = before.has(fullKey) ? before.get(fullKey) : await stored(db, key);
      const after = staged.get(fullKey) ?? undefined;
      sum += isIndex ? indexWriteUnits(old, after) : writeUnits(old, after, transactional);
    }
    return sum;
  };
  return { store, commit, units };
}

function stored(db: ItemDb, key: string): Promise<Item | undefined> {
  return new Promise((resolve, reject) => {
    db.get(key, (error, item) => (error === null || error === undefined ? resolve(item) : reject(error)));
  });
}
