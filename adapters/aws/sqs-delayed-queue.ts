/** The delayed queue on SQS: one hop waits at most 15 minutes, longer delays take several. */
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { toAsciiJson } from '../../core/ascii-json.ts';
import type { DelayedMessage } from '../../core/messages.ts';
import type { Clock, DelayedQueue } from '../../core/ports.ts';
import { inBatches } from './sqs-batch.ts';

/** The longest delay of a message (SendMessage, DelaySeconds). */
const MAX_DELAY_SECONDS = 900;

export class SqsDelayedQueue implements DelayedQueue {
  readonly #client: SQSClient;
  readonly #queueUrl: string;
  readonly #clock: Clock;

  constructor(options: { client: SQSClient; queueUrl: string; clock: Clock }) {
    this.#client = options.client;
    this.#queueUrl = options.queueUrl;
    this.#clock = options.clock;
  }

  async send(messages: readonly DelayedMessage[]): Promise<void> {
    const now = this.#clock.now().getTime();
    const entries = messages.map((delayed, index) => ({
      Id: String(index),
      MessageBody: toAsciiJson(delayed),
      DelaySeconds: Math.min(MAX_DELAY_SECONDS, Math.max(0, Math.ceil((Date.parse(delayed.dueAt) - now) / 1_000))),
    }));
    await inBatches(
      entries,
      (Entries) => this.#client.send(new SendMessageBatchCommand({ QueueUrl: this.#queueUrl, Entries })),
      (entry) => entry.MessageBody.length,
    );
  }
}
