/**
 * Pub/Sub's REST API, version 1.
 * @see https://cloud.google.com/pubsub/docs/reference/rest
 */
import type { IncomingMessage } from 'node:http';
import { readBody } from '../../../../local/emulators/protocol/request-body.ts';
import type { HttpAnswer } from '../http-front.ts';
import type { ServerTime } from '../server-time.ts';
import { type Broker, parsed } from './broker.ts';
import { CODES, codeOf, notFound, PubSubError } from './pubsub-error.ts';
import {
  acknowledgeSchema,
  type Delivery,
  modifyAckDeadlineSchema,
  pullSchema,
  type SubscriptionConfig,
} from './requests.ts';
import { waitForMessages } from './wait-for-messages.ts';

/** `/v1/projects/p/topics/t:publish` → `projects/p`, `topics`, `projects/p/topics/t`, `publish`. */
const PATH = /^\/v1\/(projects\/[^/]+)\/(topics|subscriptions)(?:\/([^/:]+))?(?::(\w+))?$/;

export function operationOf({ method = 'GET', url = '' }: IncomingMessage): string {
  const [, , collection = '', id, verb] = PATH.exec(pathOf(url)) ?? [];
  return verb ?? `${id === undefined ? 'list' : ({ PUT: 'create', DELETE: 'delete' }[method] ?? 'get')} ${collection}`;
}

const pathOf = (url: string): string => decodeURIComponent(new URL(url, 'http://localhost').pathname);

export async function answerRest(request: IncomingMessage, broker: Broker, time: ServerTime): Promise<HttpAnswer> {
  const gone = new AbortController();
  const { socket } = request;
  const leave = (): void => gone.abort();
  socket.once('close', leave);
  try {
    const body = await readBody(request);
    return json(200, await answer(request, body, broker, { time, gone: gone.signal }));
  } catch (error) {
    if (!(error instanceof PubSubError)) throw error;
    return failure(CODES[error.status].http, error.message, error.status);
  } finally {
    socket.off('close', leave);
  }
}

/** How all of Google's JSON APIs word an error (https://cloud.google.com/apis/design/errors). */
export const failure = (status: number, message: string, code = codeOf(status)): HttpAnswer =>
  json(status, { error: { code: status, message, status: code } });

const json = (status: number, body: unknown): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/json; charset=UTF-8' },
  body: JSON.stringify(body),
});

async function answer(
  { method, url = '' }: IncomingMessage,
  bytes: Buffer,
  broker: Broker,
  waiting: { time: ServerTime; gone: AbortSignal },
): Promise<unknown> {
  const [, project = '', collection = '', id, verb] = PATH.exec(pathOf(url)) ?? [];
  if (project === '') throw notFound(url);
  const name = `${project}/${collection}/${id}`;
  const body = (): unknown => JSON.parse(bytes.toString('utf8') || '{}');
  switch (`${method} ${collection} ${verb ?? (id === undefined ? 'list' : 'one')}`) {
    case 'PUT topics one':
      broker.createTopic(name);
      return { name };
    case 'GET topics one':
      return { name: broker.topic(name) };
    case 'GET topics list':
      return {
        topics: [...broker.topics].filter((each) => each.startsWith(`${project}/`)).map((each) => ({ name: each })),
      };
    case 'DELETE topics one':
      broker.deleteTopic(name);
      return {};
    case 'POST topics publish':
      return { messageIds: broker.publish(name, body(), bytes.length) };
    case 'PUT subscriptions one':
      return written(broker.createSubscription(name, body()).config);
    case 'GET subscriptions one':
      return written(broker.subscription(name).config);
    case 'GET subscriptions list':
      return { subscriptions: [...broker.subscriptions.values()].map(({ config }) => written(config)) };
    case 'DELETE subscriptions one':
      broker.deleteSubscription(name);
      return {};
    case 'POST subscriptions pull': {
      const { maxMessages, returnImmediately } = parsed(pullSchema, body());
      const subscription = broker.subscription(name);
      const got = returnImmediately
        ? subscription.pull(maxMessages)
        : await waitForMessages(subscription, maxMessages, waiting);
      return got.length > 0 ? { receivedMessages: got.map(received) } : {};
    }
    case 'POST subscriptions acknowledge':
      broker.subscription(name).acknowledge(parsed(acknowledgeSchema, body()).ackIds);
      return {};
    case 'POST subscriptions modifyAckDeadline': {
      const { ackIds, ackDeadlineSeconds } = parsed(modifyAckDeadlineSchema, body());
      broker.subscription(name).modifyAckDeadline(ackIds, ackDeadlineSeconds);
      return {};
    }
    default:
      throw new PubSubError('UNIMPLEMENTED', `${method} ${url}`);
  }
}

export const messageJson = ({ message }: Pick<Delivery, 'message'>) => ({
  ...(message.data.length > 0 ? { data: message.data.toString('base64') } : {}),
  ...(Object.keys(message.attributes).length > 0 ? { attributes: message.attributes } : {}),
  messageId: message.messageId,
  publishTime: new Date(message.publishedMs).toISOString(),
  ...(message.orderingKey ? { orderingKey: message.orderingKey } : {}),
});

const received = (delivery: Delivery) => ({
  ackId: delivery.ackId,
  message: messageJson(delivery),
  // Protobuf's JSON leaves out what is 0.
  ...(delivery.deliveryAttempt > 0 ? { deliveryAttempt: delivery.deliveryAttempt } : {}),
});

const written = ({ deadLetter, retry, ...config }: SubscriptionConfig) => ({
  name: config.name,
  topic: config.topic,
  ackDeadlineSeconds: config.ackDeadlineSeconds,
  messageRetentionDuration: `${config.retentionSeconds}s`,
  pushConfig: config.pushEndpoint ? { pushEndpoint: config.pushEndpoint } : {},
  ...(deadLetter
    ? { deadLetterPolicy: { deadLetterTopic: deadLetter.topic, maxDeliveryAttempts: deadLetter.maxDeliveryAttempts } }
    : {}),
  ...(retry
    ? { retryPolicy: { minimumBackoff: `${retry.minimumSeconds}s`, maximumBackoff: `${retry.maximumSeconds}s` } }
    : {}),
  state: 'ACTIVE',
});
