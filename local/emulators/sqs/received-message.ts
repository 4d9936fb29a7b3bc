import type { MessageAttribute, QueuedMessage } from './message.ts';
import { formatReceiptHandle } from './receipt-handle.ts';

/** Which attributes a receive call asked for. */
export interface WantedAttributes {
  readonly system: readonly string[];
  readonly message: readonly string[];
}

/** A message as `ReceiveMessage` returns it. */
export function describeMessage(queueName: string, message: QueuedMessage, wanted: WantedAttributes): object {
  const system = Object.entries(systemAttributes(message)).filter(
    ([name, value]) => value !== undefined && (wanted.system.includes(name) || wanted.system.includes('All')),
  );
  const attributes = pickAttributes(message.attributes, wanted.message);
  return {
    MessageId: message.copyOf ?? message.messageId,
    ReceiptHandle: formatReceiptHandle({ queueName, messageId: message.messageId, receipt: message.receipt ?? '' }),
    Body: message.body,
    MD5OfBody: message.bodyMd5,
    ...(system.length > 0 && { Attributes: Object.fromEntries(system) }),
    ...(attributes.length > 0 && { MessageAttributes: Object.fromEntries(attributes) }),
  };
}

function systemAttributes(message: QueuedMessage): Record<string, string | undefined> {
  return {
    SenderId: '000000000000',
    SentTimestamp: String(message.sentAt),
    ApproximateReceiveCount: String(message.receiveCount),
    ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt),
    AWSTraceHeader: message.traceHeader,
    MessageGroupId: message.groupId,
    DeadLetterQueueSourceArn: message.deadLetterSourceArn,
  };
}

function pickAttributes(
  attributes: Readonly<Record<string, MessageAttribute>>,
  wanted: readonly string[],
): [string, MessageAttribute][] {
  if (wanted.length === 0) return [];
  if (wanted.includes('All') || wanted.includes('.*')) return Object.entries(attributes);
  const prefixes = wanted.filter((name) => name.endsWith('.*')).map((name) => name.slice(0, -2));
  return Object.entries(attributes).filter(
    ([name]) => wanted.includes(name) || prefixes.some((prefix) => name.startsWith(prefix)),
  );
}
