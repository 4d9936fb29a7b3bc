import { createHash, randomUUID } from 'node:crypto';

export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string | undefined;
  readonly BinaryValue?: string | undefined;
}

/** What a sender gives; everything but the body is optional. */
export interface MessageDraft {
  readonly body: string;
  readonly attributes: Readonly<Record<string, MessageAttribute>>;
  readonly traceHeader: string | undefined;
  readonly groupId: string | undefined;
}

/**
 * A message and where it stands. `visible` waits in the backlog, `inFlight` and `delayed` wait in the heap until
 * `dueAt`, `gone` was deleted (the backlog drops it when it meets it).
 */
export interface QueuedMessage extends MessageDraft {
  readonly messageId: string;
  readonly bodyMd5: string;
  readonly sentAt: number;
  readonly deadLetterSourceArn: string | undefined;
  /** Of a copy: the message that it passes for. */
  readonly copyOf: string | undefined;
  state: 'visible' | 'inFlight' | 'delayed' | 'gone';
  dueAt: number;
  /** Position in the heap; meaningless while not in it. */
  heapIndex: number;
  receiveCount: number;
  firstReceivedAt: number | undefined;
  lastReceivedAt: number;
  /** Names the latest receive; an older receipt no longer counts. */
  receipt: string | undefined;
}

/** A message as it enters a queue for the first time. Times are epoch milliseconds. */
export function createMessage(draft: MessageDraft, sentAt: number): QueuedMessage {
  return {
    ...draft,
    messageId: randomUUID(),
    bodyMd5: createHash('md5').update(draft.body).digest('hex'),
    sentAt,
    deadLetterSourceArn: undefined,
    copyOf: undefined,
    state: 'gone',
    dueAt: 0,
    heapIndex: -1,
    receiveCount: 0,
    firstReceivedAt: undefined,
    lastReceivedAt: 0,
    receipt: undefined,
  };
}

/** A second delivery of the same message, in the same queue. */
export function asCopy(message: QueuedMessage): QueuedMessage {
  const copyOf = message.copyOf ?? message.messageId;
  return { ...message, messageId: randomUUID(), copyOf, state: 'gone', heapIndex: -1, receipt: undefined };
}

/** The same message in its dead-letter queue: id, body, age and receive count travel with it. */
export function asDeadLetter(message: QueuedMessage, sourceArn: string): QueuedMessage {
  return { ...message, deadLetterSourceArn: sourceArn, state: 'gone', heapIndex: -1, receipt: undefined };
}
