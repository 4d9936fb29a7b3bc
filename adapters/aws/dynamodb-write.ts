/**
 * Writes of a single item, and what came of them. Two things happen to such a write that are not its answer:
 *
 * - It meets a transaction on the item (`TransactionConflictException`): nothing was decided, so it is tried again. The
 *   SDK does not do that by itself.
 * - Its response is lost and the SDK sends it again: then its own effect fails its condition. Each conditional write
 *   leaves an id of its own on the item, and a refusal by an item that carries it is the write's own success. Only a
 *   third writer in that very moment hides it, and then the write counts as refused.
 */
import { randomBytes } from 'node:crypto';
import { ConditionalCheckFailedException, TransactionConflictException } from '@aws-sdk/client-dynamodb';
import {
  type DynamoDBDocumentClient,
  PutCommand,
  type PutCommandInput,
  UpdateCommand,
  type UpdateCommandInput,
} from '@aws-sdk/lib-dynamodb';
import { TransientError } from '../../core/errors.ts';
import { backoff } from '../backoff.ts';

const MAX_TRIES = 8;
const WRITE_ID = 'writeId';

/** `exists`: whether there was an item in the way. */
export type WriteOutcome = { readonly kind: 'written' } | { readonly kind: 'refused'; readonly exists: boolean };

export function putIf(
  client: DynamoDBDocumentClient,
  input: PutCommandInput & { readonly ConditionExpression: string },
): Promise<WriteOutcome> {
  const writeId = newWriteId();
  const Item = { ...input.Item, [WRITE_ID]: writeId };
  return outcomeOf(writeId, () =>
    client.send(new PutCommand({ ...input, Item, ReturnValuesOnConditionCheckFailure: 'ALL_OLD' })),
  );
}

/** @param input a `SET` of its own, if it has one, comes first in its expression */
export function updateIf(
  client: DynamoDBDocumentClient,
  input: UpdateCommandInput & { readonly ConditionExpression: string; readonly UpdateExpression: string },
): Promise<WriteOutcome> {
  const writeId = newWriteId();
  const command = {
    ...input,
    UpdateExpression: withWriteId(input.UpdateExpression),
    ExpressionAttributeValues: { ...input.ExpressionAttributeValues, [`:${WRITE_ID}`]: writeId },
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  } as const;
  return outcomeOf(writeId, () => client.send(new UpdateCommand(command)));
}

/** An expression has one `SET` at most. */
const withWriteId = (expression: string): string =>
  expression.startsWith('SET ')
    ? `SET ${WRITE_ID} = :${WRITE_ID}, ${expression.slice('SET '.length)}`
    : `SET ${WRITE_ID} = :${WRITE_ID} ${expression}`;

const newWriteId = (): string => randomBytes(9).toString('base64url');

async function outcomeOf(writeId: string, write: () => Promise<unknown>): Promise<WriteOutcome> {
  try {
    await pastConflicts(write);
    return { kind: 'written' };
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
    if (error.Item?.[WRITE_ID]?.S === writeId) return { kind: 'written' };
    return { kind: 'refused', exists: error.Item !== undefined };
  }
}

/** Any write of a single item. @throws TransientError when transactions stay in its way */
export async function pastConflicts<Answer>(write: () => Promise<Answer>): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof TransactionConflictException)) throw error;
      if (tries === MAX_TRIES) throw new TransientError('the item is contended', { cause: error });
      await backoff(tries);
    }
  }
}
