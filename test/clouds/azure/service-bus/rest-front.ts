/**
 * Service Bus over REST ("Service Bus runtime REST", learn.microsoft.com/rest/api/servicebus), for one broker:
 *
 * - `POST /{queue}/messages`: *Send Message* (201), or with `application/vnd.microsoft.servicebus.json` *Send Message Batch*,
 *   which is taken as a whole or not at all. Too large: 403 ("Quota exceeded or message too large").
 * - `POST /{queue}/messages/head?timeout=`: *Peek-Lock Message*: 201 with `BrokerProperties` and `Location`, 204 when nothing came
 *   in time. `DELETE` there is *Receive and Delete Message*: 200 or 204.
 * - `DELETE`, `PUT`, `POST` of that `Location`: *Delete Message*, *Unlock Message*, *Renew-Lock for a Message*: 200, or 404 when no message has
 *   that lock.
 * - A queue that does not exist: 410 to all of these.
 * - `GET`, `PUT`, `DELETE /{queue}`: *Get*, *Create*, *Delete Queue* of the entity API (Atom); *Get* of an unknown one answers
 *   with an empty feed (so its clients are prepared for: `MessageEntityNotFoundError` of `@azure/service-bus`).
 */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { LoopbackServer } from '../../../../local/emulators/protocol/loopback-server.ts';
import { readBody } from '../../../../local/emulators/protocol/request-body.ts';
import type { AzureFaults, AzureOperation } from '../azure-faults.ts';
import { type AzureAnswer, type AzureCall, serveAzureHttp, until } from '../faulty-http.ts';
import { EMPTY_FEED, queueEntry, settingsIn } from './atom.ts';
import type { ServiceBusBroker } from './broker.ts';
import { contentOf, parseBatch } from './message-body.ts';
import type { ServiceBusQueue, StoredMessage } from './queue.ts';

export interface RestFrontOptions {
  readonly port?: number;
  readonly broker: ServiceBusBroker;
  readonly faults: AzureFaults;
  readonly token?: string | undefined;
  readonly onCall?: (operation: AzureOperation) => void;
}

/** "Maximum message size for a queue: 256 KB for Standard tier", batches too ("Service Bus quotas"). */
const MAX_MESSAGE_BYTES = 256 * 1_024;
const BATCH_TYPE = /^application\/vnd\.microsoft\.servicebus\.json/i;
const DEFAULT_TIMEOUT_SECONDS = 60;

const NO_SUCH_QUEUE: AzureAnswer = { status: 410, body: errorBody(410, 'The messaging entity could not be found.') };
const NO_SUCH_LOCK: AzureAnswer = { status: 404, body: errorBody(404, 'The message could not be found.') };

export const serveServiceBusRest = ({ broker, port = 0, ...options }: RestFrontOptions): Promise<LoopbackServer> =>
  serveAzureHttp({
    name: 'Service Bus',
    port,
    ...options,
    operationOf,
    // Its own time, by which its locks end.
    handle: async (call) => {
      const answered = await answer(call, broker);
      return { ...answered, headers: { ...answered.headers, date: broker.now().toUTCString() } };
    },
    refusals: {
      // "Throttling operations on Azure Service Bus" knows both.
      throttle: [
        { status: 429, body: errorBody(429, 'The request was terminated because the namespace is being throttled.') },
        { status: 503, body: errorBody(503, 'The server is busy. Please wait 10 seconds and try again.') },
      ],
      unavailable: [{ status: 500 }, { status: 503 }, { status: 504 }],
    },
  });

function operationOf({ method }: IncomingMessage, { pathname }: URL): AzureOperation {
  if (pathname.endsWith('/messages/head')) return 'receive';
  if (pathname.endsWith('/messages')) return 'send';
  if (!pathname.includes('/messages/')) return 'count';
  return method === 'POST' ? 'renew' : 'settle';
}

async function answer(call: AzureCall, broker: ServiceBusBroker): Promise<AzureAnswer> {
  const { request, url } = call;
  const [, path = '', rest] = /^\/(.+?)(?:\/messages(\/.*)?)?$/.exec(decodeURIComponent(url.pathname)) ?? [];
  if (!url.pathname.includes('/messages')) return entity(request, url, path, broker);
  const queue = broker.find(path);
  if (!queue) {
    request.resume();
    return NO_SUCH_QUEUE;
  }
  if (rest === undefined) return send(request, queue);
  if (rest === '/head') return receive(call, queue, path);
  const [, token = ''] = /^\/[^/]+\/([^/]+)$/.exec(rest) ?? [];
  return settle(request.method, queue, token);
}

async function send(request: IncomingMessage, queue: ServiceBusQueue): Promise<AzureAnswer> {
  const body = await readBody(request);
  const { brokerproperties } = request.headers;
  const type = request.headers['content-type'];
  const messages = BATCH_TYPE.test(type ?? '')
    ? parseBatch(body)
    : [contentOf(body, type, JSON.parse(typeof brokerproperties === 'string' ? brokerproperties : '{}'))];
  if (messages === undefined) return { status: 400, body: errorBody(400, 'The batch cannot be read.') };
  const bytes = messages.reduce((sum, { content }) => sum + content.body.length, 0);
  if (bytes > MAX_MESSAGE_BYTES)
    return { status: 403, body: errorBody(403, 'The message is larger than the maximum.') };
  for (const { content, scheduledAt } of messages) queue.send(content, scheduledAt);
  return { status: 201 };
}

async function receive(
  { request, url, signal }: AzureCall,
  queue: ServiceBusQueue,
  path: string,
): Promise<AzureAnswer> {
  const timeout = z.coerce
    .number()
    .nonnegative()
    .safeParse(url.searchParams.get('timeout') ?? DEFAULT_TIMEOUT_SECONDS);
  if (!timeout.success) return { status: 400, body: errorBody(400, 'The timeout cannot be read.') };
  const isPeekLock = request.method === 'POST';
  const next = () => (isPeekLock ? queue.lockNext() : queue.takeNext());
  // Whoever asks waits by the time on the wall, even where locks end by a clock of their own.
  const endsAt = Date.now() + timeout.data * 1_000;
  let message = next();
  while (!message && Date.now() < endsAt && !signal.aborted) {
    await until((callback) => queue.onArrival(callback), endsAt - Date.now(), signal);
    if (!signal.aborted) message = next();
  }
  return message ? received(message, isPeekLock ? `${url.origin}/${path}` : null) : { status: 204 };
}

/** In REST a message that comes for the first time has the delivery count 1 ("Peek-Lock Message", its example). */
function received(message: StoredMessage, queueUrl: string | null): AzureAnswer {
  const { messageId, sequenceNumber, enqueuedAt, deliveryCount, lock, contentType, body } = message;
  const properties = {
    DeliveryCount: deliveryCount + 1,
    EnqueuedSequenceNumber: 0,
    EnqueuedTimeUtc: new Date(enqueuedAt).toUTCString(),
    ...(lock ? { LockToken: lock.token, LockedUntilUtc: new Date(lock.until).toUTCString() } : {}),
    MessageId: messageId,
    SequenceNumber: sequenceNumber,
    State: 'Active',
  };
  const headers = {
    'content-type': contentType ?? 'application/octet-stream',
    BrokerProperties: JSON.stringify(properties),
    ...(lock && queueUrl ? { location: `${queueUrl}/messages/${sequenceNumber}/${lock.token}` } : {}),
  };
  return { status: queueUrl ? 201 : 200, headers, body };
}

function settle(method: string | undefined, queue: ServiceBusQueue, token: string): AzureAnswer {
  switch (method) {
    case 'DELETE':
      return queue.complete(token) ? { status: 200 } : NO_SUCH_LOCK;
    case 'PUT':
      return queue.abandon(token) ? { status: 200 } : NO_SUCH_LOCK;
    case 'POST':
      return queue.renew(token) ? { status: 200 } : NO_SUCH_LOCK;
    default:
      return { status: 400 };
  }
}

async function entity(
  request: IncomingMessage,
  url: URL,
  path: string,
  broker: ServiceBusBroker,
): Promise<AzureAnswer> {
  const headers = { 'content-type': 'application/atom+xml;type=entry;charset=utf-8' };
  const isKnown = broker.find(path) !== undefined;
  switch (request.method) {
    case 'PUT': {
      const settings = settingsIn((await readBody(request)).toString());
      const body = queueEntry(url, broker.create(path, settings));
      return { status: isKnown ? 200 : 201, headers, body };
    }
    case 'DELETE':
      return { status: broker.delete(path) ? 200 : 404 };
    case 'GET': {
      const queue = broker.find(path);
      return { status: 200, headers, body: queue ? queueEntry(url, queue) : EMPTY_FEED };
    }
    default:
      return { status: 405 };
  }
}

/** As Service Bus words its errors. */
function errorBody(code: number, detail: string): string {
  return `<Error><Code>${code}</Code><Detail>${detail}</Detail></Error>`;
}
