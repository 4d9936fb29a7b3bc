/**
 * Push delivery: each message is one POST, acknowledged by the status of its answer.
 * @see https://cloud.google.com/pubsub/docs/push
 */
import type { Delivery } from './requests.ts';
import { messageJson } from './rest.ts';
import type { Subscription } from './subscription.ts';

/** What counts as an acknowledgement; anything else, or nothing within the ack deadline, does not. */
const ACKNOWLEDGES: ReadonlySet<number> = new Set([102, 200, 201, 202, 204]);
const AT_ONCE = 10;
/** Eventarc's push endpoints carry it; what arrives then has the headers of a CloudEvent. */
const CLOUD_EVENTS_MODE = '__GCP_CloudEventsMode';

/** Delivers from now on. @returns what ends it */
export function pushFrom(subscription: Subscription, endpoint: string): () => void {
  let underWay = 0;
  let stopped = false;
  const more = (): void => {
    if (stopped || underWay >= AT_ONCE) return;
    for (const delivery of subscription.pull(AT_ONCE - underWay)) {
      underWay += 1;
      void push(delivery, subscription, endpoint).then(() => {
        underWay -= 1;
        more();
      });
    }
  };
  const stop = subscription.onReady(more);
  more();
  return () => {
    stopped = true;
    stop();
  };
}

async function push(delivery: Delivery, subscription: Subscription, endpoint: string): Promise<void> {
  const { name, topic, ackDeadlineSeconds } = subscription.config;
  const message = messageJson(delivery);
  const body = {
    message: { ...message, message_id: message.messageId, publish_time: message.publishTime },
    subscription: name,
    ...(delivery.deliveryAttempt > 0 ? { deliveryAttempt: delivery.deliveryAttempt } : {}),
  };
  const isEvent = new URL(endpoint).searchParams.has(CLOUD_EVENTS_MODE);
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'CloudPubSub-Google',
    ...(isEvent
      ? {
          'ce-id': message.messageId,
          'ce-source': `//pubsub.googleapis.com/${topic}`,
          'ce-specversion': '1.0',
          'ce-time': message.publishTime,
          'ce-type': 'google.cloud.pubsub.topic.v1.messagePublished',
        }
      : {}),
  };
  const status = await fetch(endpoint, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ackDeadlineSeconds * 1_000),
  }).then(
    async (response) => {
      await response.arrayBuffer().catch(() => undefined);
      return response.status;
    },
    () => 0,
  );
  if (ACKNOWLEDGES.has(status)) subscription.acknowledge([delivery.ackId]);
  else subscription.modifyAckDeadline([delivery.ackId], 0);
}
