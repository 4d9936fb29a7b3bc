import { z } from 'zod';
import { parseInput } from '../protocol/parse-input.ts';
import { checkInput, runAction, type Store } from './dynalite.ts';

const inputSchema = z.object({
  TransactItems: z
    .array(z.object({ Get: z.looseObject({ TableName: z.string() }) }))
    .min(1)
    .max(100),
});

/** `TransactGetItems`: one consistent snapshot, because the caller keeps writers out meanwhile. */
export async function transactGet(rawInput: unknown, store: Store): Promise<object> {
  const { TransactItems } = parseInput(inputSchema, rawInput, 'ValidationException');
  const inputs = TransactItems.map(({ Get }) => checkInput('GetItem', Get, store));
  const results = await Promise.all(inputs.map((input) => runAction('GetItem', store, input)));
  return { Responses: results.map(({ Item }) => (Item === undefined ? {} : { Item })) };
}
