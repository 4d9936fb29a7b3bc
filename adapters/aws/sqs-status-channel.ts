/** The status queue's sending side: many events a message, each message within what SQS bills as one. */
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { StatusEvent } from '../../core/messages.ts';
import type { StatusChannel } from '../../core/ports.ts';
import { statusMessages } from '../status-messages.ts';
import { inBatches } from './sqs-batch.ts';

export class SqsStatusChannel implements StatusChannel {
  readonly #client: SQSClient;
  readonly #queueUrl: string;
  readonly #source: string;

  /** @param options.source who publishes: an instance, a bridge */
  constructor(options: { client: SQSClient; queueUrl: string; source: string }) {
    this.#client = options.client;
    this.#queueUrl = options.queueUrl;
    this.#source = options.source;
  }

  async publish(events: readonly StatusEvent[]): Promise<void> {
    const entries = statusMessages(events, this.#source).map((MessageBody, index) => ({
      Id: String(index),
      MessageBody,
    }));
    await inBatches(
      entries,
      (Entries) => this.#client.send(new SendMessageBatchCommand({ QueueUrl: this.#queueUrl, Entries })),
      (entry) => entry.MessageBody.length,
    );
  }
}
