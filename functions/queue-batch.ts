/** The answer to a batch of queue records: only those that must come back are named; the event source deletes the rest. */
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { TransientError } from '../core/errors.ts';

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
