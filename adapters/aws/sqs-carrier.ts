/**
 * Carries bodies to one queue. Those that come while a request is under way share the next ones, ten to each: however many
 * come at once, one by one, SQS is asked as little as possible.
 */
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { inBatches } from './sqs-batch.ts';

interface Waiting {
  readonly body: string;
  readonly taken: () => void;
  readonly failed: (error: unknown) => void;
}

export class SqsCarrier {
  readonly #client: SQSClient;
  readonly #queueUrl: string;
  #waiting: Waiting[] = [];
  #sending = false;

  constructor(options: { client: SQSClient; queueUrl: string }) {
    this.#client = options.client;
    this.#queueUrl = options.queueUrl;
  }

  /** Resolves when SQS has it. Carrying it again is harmless. @throws TransientError, PermanentError */
  carry(body: string): Promise<void> {
    return new Promise((taken, failed) => {
      this.#waiting.push({ body, taken, failed });
      if (!this.#sending) void this.#send();
    });
  }

  async #send(): Promise<void> {
    this.#sending = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await inBatches(
          batch.map(({ body }, index) => ({ Id: String(index), MessageBody: body })),
          (Entries) => this.#client.send(new SendMessageBatchCommand({ QueueUrl: this.#queueUrl, Entries })),
          ({ MessageBody }) => MessageBody.length,
        );
        for (const { taken } of batch) taken();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.#sending = false;
  }
}
