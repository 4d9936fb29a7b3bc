/**
 * What is asked of a queue by request and response over AMQP ("AMQP request/response operations in Azure Service Bus"): renewing
 * locks, settling by lock token, peeking, scheduling.
 */
import rhea from 'rhea';
import { z } from 'zod';
import { sentMessage, tokenOf, wireMessage } from './amqp-messages.ts';
import type { ServiceBusQueue } from './queue.ts';

export interface ManagementAnswer {
  readonly code: number;
  readonly description: string;
  readonly body?: unknown;
}

const LOCK_LOST: ManagementAnswer = { code: 410, description: 'com.microsoft:message-lock-lost' };
const [TIMESTAMP, LONG] = [0x83, 0x81];

const tokens = z.array(z.instanceof(Uint8Array).transform(tokenOf));
const renewSchema = z.object({ 'lock-tokens': tokens });
const settleSchema = z.object({
  'lock-tokens': tokens,
  'disposition-status': z.string(),
  'deadletter-reason': z.string().optional(),
  'deadletter-description': z.string().optional(),
});
const peekSchema = z.object({ 'from-sequence-number': z.coerce.number(), 'message-count': z.coerce.number() });
const scheduleSchema = z.object({ messages: z.array(z.object({ message: z.instanceof(Buffer) })) });

export function manage(queue: ServiceBusQueue, operation: unknown, body: unknown): ManagementAnswer {
  switch (operation) {
    case 'com.microsoft:renew-lock':
      return renew(queue, renewSchema.parse(body)['lock-tokens']);
    case 'com.microsoft:update-disposition':
      return settle(queue, settleSchema.parse(body));
    case 'com.microsoft:peek-message': {
      const { 'from-sequence-number': from, 'message-count': count } = peekSchema.parse(body);
      const messages = queue.peek(from, count).map((stored) => {
        const message = rhea.types.wrap_binary(rhea.message.encode(wireMessage(stored)));
        return rhea.types.wrap_map({ message });
      });
      if (messages.length === 0) return { code: 204, description: 'no content' };
      return { code: 200, description: 'OK', body: { messages: rhea.types.wrap_list(messages) } };
    }
    case 'com.microsoft:schedule-message': {
      const numbers = scheduleSchema.parse(body).messages.map(({ message }) => {
        const { content, scheduledAt } = sentMessage(rhea.message.decode(message));
        return queue.send(content, scheduledAt);
      });
      const sequenceNumbers = rhea.types.wrap_array(numbers, LONG, undefined);
      return { code: 200, description: 'OK', body: { 'sequence-numbers': sequenceNumbers } };
    }
    default:
      return { code: 501, description: 'amqp:not-implemented' };
  }
}

function renew(queue: ServiceBusQueue, lockTokens: readonly string[]): ManagementAnswer {
  const times = lockTokens.map((token) => queue.renew(token));
  if (times.includes(undefined)) return LOCK_LOST;
  return { code: 200, description: 'OK', body: { expirations: rhea.types.wrap_array(times, TIMESTAMP, undefined) } };
}

function settle(queue: ServiceBusQueue, asked: z.infer<typeof settleSchema>): ManagementAnswer {
  const settled = asked['lock-tokens'].map((token) => {
    switch (asked['disposition-status']) {
      case 'completed':
        return queue.complete(token);
      case 'suspended':
        return queue.deadLetter(token, asked['deadletter-reason'], asked['deadletter-description']);
      default:
        return queue.abandon(token);
    }
  });
  return settled.includes(false) ? LOCK_LOST : { code: 200, description: 'OK' };
}
