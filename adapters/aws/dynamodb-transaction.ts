/**
 * One transaction, tried again while DynamoDB says it only met another one (`TransactionConflict`) or is throttled.
 * The SDK does not retry these by itself. A failed condition is an answer, not an error.
 *
 * All tries, ours and the SDK's, carry one `ClientRequestToken`: a try whose response was lost is not done again, and the
 * next one does not fail its own conditions. DynamoDB keeps a token for ten minutes, longer than anybody tries, and only
 * of a transaction that was successful ("Amazon DynamoDB Transactions: How it works"): a cancelled one is tried anew.
 */
import { randomUUID } from 'node:crypto';
import { TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import {
  type DynamoDBDocumentClient,
  TransactWriteCommand,
  type TransactWriteCommandInput,
} from '@aws-sdk/lib-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import { TransientError } from '../../core/errors.ts';
import { backoff } from '../backoff.ts';

const MAX_TRIES = 8;
const PASSES = /^(?:TransactionConflict|ThrottlingError|ProvisionedThroughputExceeded)$/;

export type TransactionItems = NonNullable<TransactWriteCommandInput['TransactItems']>;

export type TransactionOutcome =
  | { readonly kind: 'done' }
  /** Whose condition failed (by place in the transaction), with the item as it is now where that was asked for. */
  | { readonly kind: 'refused'; readonly refused: ReadonlyMap<number, Record<string, unknown> | undefined> };

/** @throws TransientError when conflicts or throttling do not pass */
export async function transact(client: DynamoDBDocumentClient, items: TransactionItems): Promise<TransactionOutcome> {
  const command = { TransactItems: items, ClientRequestToken: randomUUID() };
  for (let tries = 1; ; tries += 1) {
    try {
      await client.send(new TransactWriteCommand(command));
      return { kind: 'done' };
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      const reasons = error.CancellationReasons ?? [];
      const refused = reasons.flatMap((reason, index) =>
        reason.Code === 'ConditionalCheckFailed'
          ? [[index, reason.Item ? unmarshall(reason.Item) : undefined] as const]
          : [],
      );
      if (refused.length > 0) return { kind: 'refused', refused: new Map(refused) };
      if (!reasons.some((reason) => PASSES.test(reason.Code ?? ''))) throw error;
      if (tries === MAX_TRIES) throw new TransientError('the transaction did not come through', { cause: error });
      await backoff(tries);
    }
  }
}
