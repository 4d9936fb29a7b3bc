/**
 * How far the status queue is read. An empty queue has nothing left to say; of one that is not, the consumer notes now and
 * then when the report was sent that it has applied last. Nothing of this is asked while nobody waits for a report.
 */
import { GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { type DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import type { Clock, StatusFlow } from '../../core/ports.ts';

/** Beside the fleets; no fleet can have that name. */
const KEY = { fleet: '#status', item: 'flow' };
const flowSchema = z.object({ appliedUntil: z.iso.datetime() });
/** The consumer handles thousands of reports a minute: it says so now and then. */
const NOTE_EVERY_SECONDS = 20;

interface TableOptions {
  readonly dynamodb: DynamoDBDocumentClient;
  /** The table of the fleets. */
  readonly table: string;
  readonly clock: Clock;
}

/** The side of who applies reports. */
export class DynamoStatusNotes implements Pick<StatusFlow, 'noteApplied'> {
  readonly #options: TableOptions;
  #notedAt = Number.NEGATIVE_INFINITY;

  constructor(options: TableOptions) {
    this.#options = options;
  }

  async noteApplied(sentAt: Date): Promise<void> {
    const { dynamodb, table, clock } = this.#options;
    const now = clock.now().getTime();
    if (now - this.#notedAt < NOTE_EVERY_SECONDS * 1_000) return;
    this.#notedAt = now;
    await dynamodb.send(
      new UpdateCommand({
        TableName: table,
        Key: KEY,
        UpdateExpression: 'SET appliedUntil = :sent',
        ExpressionAttributeValues: { ':sent': sentAt.toISOString() },
      }),
    );
  }
}

export interface SqsStatusFlowOptions extends TableOptions {
  readonly sqs: SQSClient;
  readonly queueUrl: string;
  /** SQS counts come true within a minute ("GetQueueAttributes"): until then an empty queue may not be empty. */
  readonly settleSeconds: number;
}

/** The side of who waits for a report. */
export class SqsStatusFlow implements Pick<StatusFlow, 'appliedUntil'> {
  readonly #options: SqsStatusFlowOptions;

  constructor(options: SqsStatusFlowOptions) {
    this.#options = options;
  }

  async appliedUntil(): Promise<Date | null> {
    const { sqs, queueUrl, dynamodb, table, clock, settleSeconds } = this.#options;
    const { Attributes = {} } = await sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl: queueUrl,
        AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
      }),
    );
    const empty = Object.values(Attributes).every((count) => count === '0');
    if (empty) return new Date(clock.now().getTime() - settleSeconds * 1_000);
    const { Item } = await dynamodb.send(new GetCommand({ TableName: table, Key: KEY, ConsistentRead: true }));
    const flow = flowSchema.safeParse(Item);
    return flow.success ? new Date(flow.data.appliedUntil) : null;
  }
}
