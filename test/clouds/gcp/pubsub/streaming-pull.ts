/** The stream over which Google's clients receive: messages one way, acknowledgements and deadlines the other. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { z } from 'zod';
import { type Broker, parsed } from './broker.ts';
import { type Named, received, toStatus } from './grpc-messages.ts';
import type { Subscription } from './subscription.ts';

const requestSchema = z.object({
  ackIds: z.array(z.string()),
  modifyDeadlineAckIds: z.array(z.string()),
  modifyDeadlineSeconds: z.array(z.int()),
  streamAckDeadlineSeconds: z.int(),
  maxOutstandingMessages: z.number(),
});

export function streamingPull(call: ServerDuplexStream<Named, object>, broker: Broker): void {
  let subscription: Subscription | undefined;
  let deadlineSeconds = 10;
  let most = Number.POSITIVE_INFINITY;
  let stopListening = (): void => undefined;
  const unsettled = new Set<string>();

  const more = (): void => {
    const room = most - unsettled.size;
    if (!subscription || room <= 0) return;
    const got = subscription.pull(Math.min(room, 1_000), deadlineSeconds);
    if (got.length === 0) return;
    for (const { ackId } of got) unsettled.add(ackId);
    call.write({ receivedMessages: got.map(received), subscriptionProperties: {} });
  };
  const stop = (): void => stopListening();

  call.on('data', (request: Named) => {
    try {
      const asked = parsed(requestSchema, request);
      if (!subscription) {
        subscription = broker.subscription(request.subscription ?? '');
        stopListening = subscription.onReady(more);
        if (asked.maxOutstandingMessages > 0) most = asked.maxOutstandingMessages;
      }
      if (asked.streamAckDeadlineSeconds > 0) deadlineSeconds = asked.streamAckDeadlineSeconds;
      settle(subscription, asked, unsettled);
      more();
    } catch (error) {
      stop();
      call.emit('error', toStatus(error));
    }
  });
  call.on('end', () => {
    stop();
    call.end();
  });
  call.on('cancelled', stop);
}

function settle(subscription: Subscription, asked: z.infer<typeof requestSchema>, unsettled: Set<string>): void {
  if (asked.ackIds.length > 0) subscription.acknowledge(asked.ackIds);
  for (const ackId of asked.ackIds) unsettled.delete(ackId);
  for (const [index, ackId] of asked.modifyDeadlineAckIds.entries()) {
    const seconds = asked.modifyDeadlineSeconds[index] ?? 0;
    if (seconds === 0) unsettled.delete(ackId);
    subscription.modifyAckDeadline([ackId], seconds);
  }
}
