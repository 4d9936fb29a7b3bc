/** A batch of queue records, read and answered: only those that must come back are named; the event source deletes the rest. */
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import type { z } from 'zod';
import { TransientError } from '../core/errors.ts';
import { faultsOf } from '../core/validation.ts';

/** One record of a queue. */
export interface QueueRecord {
  readonly messageId: string;
  readonly body: string;
  /** How often it was received: above 1 it may have been handled already. */
  readonly receiveCount: number;
  /** Where the queue says so. */
  readonly sentAt?: Date;
}

export const toQueueRecord = ({ messageId, body, attributes }: SQSRecord): QueueRecord => ({
  messageId,
  body,
  receiveCount: Number(attributes.ApproximateReceiveCount),
  sentAt: new Date(Number(attributes.SentTimestamp)),
});

/** What a body says, or why nobody can read it. */
export type ReadBody<Value> =
  | { readonly value: Value; readonly reason?: undefined }
  | { readonly value?: undefined; readonly reason: string };

export function readBody<Schema extends z.ZodType>(schema: Schema, body: string): ReadBody<z.infer<Schema>> {
  try {
    const parsed = schema.safeParse(JSON.parse(body));
    return parsed.success ? { value: parsed.data } : { reason: unreadableBecause(parsed.error) };
  } catch {
    return { reason: 'the body is not JSON' };
  }
}

export const unreadableBecause = (error: z.ZodError): string =>
  faultsOf(error)
    .map(({ path, message }) => `${path}: ${message}`)
    .join('; ');

/** Does a piece of work for some records of a batch, if there are any: when it fails, they must come back. */
export const guardedBy =
  (failed: Map<string, unknown>) =>
  async (records: readonly Pick<QueueRecord, 'messageId'>[], work: () => Promise<void>): Promise<void> => {
    if (records.length === 0) return;
    try {
      await work();
    } catch (error) {
      for (const { messageId } of records) failed.set(messageId, error);
    }
  };

/** @param failed why a record must come back, by its message id */
export function acknowledgeBatch(
  event: SQSEvent,
  context: Context,
  failed: ReadonlyMap<string, unknown>,
): Promise<SQSBatchResponse> {
  const acknowledge = async ({ messageId }: SQSRecord): Promise<void> => {
    if (failed.has(messageId)) throw new TransientError('comes back', { cause: failed.get(messageId) });
  };
  const processor = new BatchProcessor(EventType.SQS);
  return processPartialResponse(event, acknowledge, processor, { context, throwOnFullBatchFailure: false });
}
