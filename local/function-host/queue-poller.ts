/**
 * Carries the messages of a queue to a function, as an event source mapping does: gathers a batch, invokes, and deletes
 * what succeeded. What failed stays where it is and becomes visible again when its visibility timeout ends.
 *
 * A poll is never aborted: a message that a server has already handed to an aborted poll is lost until its visibility ends.
 * So a stop has the queue end the polls in flight, waits for them, and gives back at once what they still bring.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { failedMessageIds } from './batch-response.ts';
import type { Outcome } from './invocation.ts';
import { isReceived, queueEvent, type ReceivedMessage } from './queue-event.ts';
import type { QueueMapping } from './queue-mappings.ts';

/** As long as SQS allows: an idle queue costs next to nothing. */
const LONG_POLL_SECONDS = 20;
/** One that was on its way to the queue when the others were ended waits until the next time. */
const END_POLLS_EVERY_MS = 100;
/** Of one ReceiveMessage, DeleteMessageBatch or ChangeMessageVisibilityBatch. */
const SQS_BATCH = 10;
const RETRY_DELAY_MS = 500;
/** Two batches at once show every fault that concurrency can cause; a laptop need not run ten. */
const LOCAL_CONCURRENCY = 2;

export interface PollerOptions {
  readonly sqs: SQSClient;
  readonly queueUrl: string;
  readonly mapping: QueueMapping;
  /** Resolves to an outcome, never rejects. */
  readonly invoke: (event: string) => Promise<Outcome>;
  /** Has the queue answer every poll that waits. Never rejects. */
  readonly endPolls: () => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export class QueuePoller {
  readonly #options: PollerOptions;
  readonly #loops: Promise<void>[];
  readonly #stop = new AbortController();

  constructor(options: PollerOptions) {
    this.#options = options;
    const concurrency = Math.min(LOCAL_CONCURRENCY, options.mapping.maximumConcurrency);
    this.#loops = Array.from({ length: concurrency }, () => this.#poll());
  }

  /** Resolves when the polls and batches in flight are done. */
  async stop(): Promise<void> {
    this.#stop.abort();
    const loops = Promise.all(this.#loops);
    let done = false;
    void loops.then(() => {
      done = true;
    });
    while (!done) {
      await this.#options.endPolls();
      await Promise.race([loops, delay(END_POLLS_EVERY_MS)]);
    }
  }

  async #poll(): Promise<void> {
    while (!this.#stopping) {
      try {
        const messages = await this.#gather();
        if (messages.length === 0) continue;
        if (this.#stopping) await this.#giveBack(messages);
        else await this.#carry(messages);
      } catch (error) {
        if (this.#stopping) return;
        this.#options.onError(error);
        await delay(RETRY_DELAY_MS);
      }
    }
  }

  get #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** A batch: full, or what came until the window closed that its first message opened. */
  async #gather(): Promise<ReceivedMessage[]> {
    const { batchSize, batchingWindowSeconds } = this.#options.mapping;
    const messages = await this.#receive(batchSize, LONG_POLL_SECONDS);
    if (messages.length === 0) return [];
    const windowEnd = Date.now() + batchingWindowSeconds * 1_000;
    while (messages.length < batchSize && batchingWindowSeconds > 0 && !this.#stopping) {
      const wanted = Math.min(SQS_BATCH, batchSize - messages.length);
      const more = await this.#receive(wanted, 0);
      messages.push(...more);
      if (more.length === wanted) continue;
      const leftMs = windowEnd - Date.now();
      if (leftMs <= 0) break;
      // Not another long poll: SQS waits whole seconds only, and would hold the batch beyond its window. And not a call
      // now and then: what comes meanwhile waits on the queue, and is fetched with few calls at the end.
      await delay(leftMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
    return messages;
  }

  async #receive(wanted: number, waitSeconds: number): Promise<ReceivedMessage[]> {
    const { sqs, queueUrl } = this.#options;
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        MaxNumberOfMessages: Math.min(SQS_BATCH, wanted),
        WaitTimeSeconds: waitSeconds,
        MessageSystemAttributeNames: ['All'],
        MessageAttributeNames: ['All'],
      }),
    );
    return Messages.filter(isReceived);
  }

  async #carry(messages: readonly ReceivedMessage[]): Promise<void> {
    const { mapping, invoke } = this.#options;
    const outcome = await invoke(JSON.stringify(queueEvent(mapping.queueArn, messages)));
    const messageIds = messages.map((message) => message.MessageId);
    const failed = failedMessageIds(outcome, messageIds, mapping.reportsItemFailures);
    await this.#delete(messages.filter((message) => !failed.has(message.MessageId)));
  }

  async #delete(messages: readonly ReceivedMessage[]): Promise<void> {
    for (const entries of this.#entries(messages)) {
      const command = new DeleteMessageBatchCommand({ QueueUrl: this.#options.queueUrl, Entries: entries });
      await this.#options.sqs.send(command);
    }
  }

  async #giveBack(messages: readonly ReceivedMessage[]): Promise<void> {
    for (const entries of this.#entries(messages)) {
      const Entries = entries.map((entry) => ({ ...entry, VisibilityTimeout: 0 }));
      const command = new ChangeMessageVisibilityBatchCommand({ QueueUrl: this.#options.queueUrl, Entries });
      await this.#options.sqs.send(command);
    }
  }

  *#entries(messages: readonly ReceivedMessage[]): Generator<{ Id: string; ReceiptHandle: string }[]> {
    for (let start = 0; start < messages.length; start += SQS_BATCH) {
      yield messages
        .slice(start, start + SQS_BATCH)
        .map((message, index) => ({ Id: String(index), ReceiptHandle: message.ReceiptHandle }));
    }
  }
}
