/** Time to live: the setting is kept with the tables and told back. Nothing is deleted by it here. */
import { z } from 'zod';
import { parseInput } from '../protocol/parse-input.ts';
import { loadTable, type Store } from './dynalite.ts';

const specificationSchema = z.object({ Enabled: z.boolean(), AttributeName: z.string().min(1) });
const updateSchema = z.object({ TableName: z.string(), TimeToLiveSpecification: specificationSchema });
const describeSchema = z.object({ TableName: z.string() });

/** `UpdateTimeToLive` */
export async function updateTimeToLive(input: unknown, store: Store): Promise<object> {
  const { TableName, TimeToLiveSpecification } = parseInput(updateSchema, input, 'ValidationException');
  await loadTable(store, TableName);
  await store.db.put(keyOf(TableName), TimeToLiveSpecification);
  return { TimeToLiveSpecification };
}

/** `DescribeTimeToLive` */
export async function describeTimeToLive(input: unknown, store: Store): Promise<object> {
  const { TableName } = parseInput(describeSchema, input, 'ValidationException');
  await loadTable(store, TableName);
  const stored = specificationSchema.safeParse(await store.db.get(keyOf(TableName)));
  if (!stored.success || !stored.data.Enabled) return { TimeToLiveDescription: { TimeToLiveStatus: 'DISABLED' } };
  return {
    TimeToLiveDescription: { TimeToLiveStatus: 'ENABLED', AttributeName: stored.data.AttributeName },
  };
}

export async function forgetTimeToLive(table: string, store: Store): Promise<void> {
  await store.db.del(keyOf(table));
}

function keyOf(table: string): string {
  return `ttl~${table}`;
}
