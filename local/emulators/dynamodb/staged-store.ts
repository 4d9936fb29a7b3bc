/**
 * A view of a store in which writes are staged: reads see them, the store does not, until `commit` writes all of them,
 * items and index entries of every table, as one LevelDB batch. That is what makes a transaction all or nothing, and
 * keeps an index right when the process dies between two writes.
 */
import type { Item, ItemDb, LevelOperation, Store } from './dynalite.ts';

export interface StagedStore {
  readonly store: Store;
  commit(): Promise<void>;
}

/** Stages over the given store. The caller keeps other writers out until the commit is through. */
export function stageWrites(base: Store): StagedStore {
  /** By full key; `null` for a deletion. */
  const staged = new Map<string, Item | null>();

  const wrap = (prefix: string, db: ItemDb): ItemDb => ({
    get: (key, callback) => {
      const value = staged.get(prefix + key);
      if (value === undefined) db.get(key, callback);
      else callback(null, value ?? undefined);
    },
    put: (key, value, callback) => {
      staged.set(prefix + key, value);
      callback(null);
    },
    del: (key, callback) => {
      staged.set(prefix + key, null);
      callback(null);
    },
    lock: (_key, run) => run((callback) => callback),
  });

  const store: Store = {
    ...base,
    // dynalite keeps its sublevels as key prefixes of one database: these are the names it gives them.
    getItemDb: (table) => wrap(`item-${table}~`, base.getItemDb(table)),
    getIndexDb: (indexType, table, index) =>
      wrap(`index-${indexType.toLowerCase()}~${table}~${index}~`, base.getIndexDb(indexType, table, index)),
  };

  const commit = async () => {
    const operations = [...staged].map(
      ([key, value]): LevelOperation => (value === null ? { type: 'del', key } : { type: 'put', key, value }),
    );
    if (operations.length > 0) await base.db.batch(operations);
  };
  return { store, commit };
}
