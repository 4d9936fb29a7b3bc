/** Where messages go that nobody can understand, with the reason beside them: evidence, never thrown away. */
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { toAsciiJson } from '../../core/ascii-json.ts';
import type { DeadLetterChannel } from '../../core/ports.ts';
import { inBatches } from './sqs-batch.ts';

/** A letter must itself fit an SQS message; hostile bodies may be as large as one. */
const MAX_BODY_CHARACTERS = 128_000;

export class SqsDeadLetterChannel implements DeadLetterChannel {
  readonly #client: SQSClient;
  readonly #queueUrl: string;

  constructor(options: { client: SQSClient; queueUrl: string }) {
    this.#client = options.client;
    this.#queueUrl = options.queueUrl;
  }

  async put(letters: Parameters<DeadLetterChannel['put']>[0]): Promise<void> {
    const entries = letters.map(({ body, reason, source }, index) => ({
      Id: String(index),
      MessageBody: toAsciiJson({ reason, source, body: body.slice(0, MAX_BODY_CHARACTERS) }),
    }));
    await inBatches(
      entries,
      (Entries) => this.#client.send(new SendMessageBatchCommand({ QueueUrl: this.#queueUrl, Entries })),
      (entry) => entry.MessageBody.length,
    );
  }
}
