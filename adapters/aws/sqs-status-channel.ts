/** The status queue's sending side: many events a message, each message within what SQS bills as one. */
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { toAsciiJson } from '../../core/ascii-json.ts';
import { BILLED_MESSAGE_BYTES, type StatusEvent } from '../../core/messages.ts';
import type { StatusChannel } from '../../core/ports.ts';
import { inBatches } from './sqs-batch.ts';

/** Room in a message for what surrounds the events. */
const ENVELOPE_BYTES = 512;

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
    const entries = packEvents(events, BILLED_MESSAGE_BYTES - ENVELOPE_BYTES).map((packed, index) => ({
      Id: String(index),
      MessageBody: `{"v":1,"source":${toAsciiJson(this.#source)},"events":[${packed.join(',')}]}`,
    }));
    await inBatches(
      entries,
      (Entries) => this.#client.send(new SendMessageBatchCommand({ QueueUrl: this.#queueUrl, Entries })),
      (entry) => entry.MessageBody.length,
    );
  }
}

/** Events as JSON texts, in order, grouped so that each group stays within `maxBytes` (a larger event goes alone). */
export function packEvents(events: readonly StatusEvent[], maxBytes: number): string[][] {
  const groups: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const event of events) {
    const text = toAsciiJson(event);
    const last = groups.at(-1);
    if (last && bytes + text.length + 1 <= maxBytes) {
      last.push(text);
      bytes += text.length + 1;
    } else {
      groups.push([text]);
      bytes = text.length;
    }
  }
  return groups;
}
