/**
 * One queue of Service Bus over REST ("Service Bus runtime REST"): on machines, which are to start fast, instead of the SDK.
 * What REST cannot do, receive several messages a call, renew or settle several, is done by several calls.
 */
import { z } from 'zod';
import { NotFoundError, PermanentError, TransientError } from '../../core/errors.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { batched, inParallel } from '../in-parallel.ts';
import { parsedJson } from '../parsed-json.ts';
import { type AzureAnswer, type AzureQuestion, askAzure, detailOf, unexpected } from './azure-request.ts';

/** A message under a lock. */
export interface PeekLocked {
  readonly body: string;
  /** The end of the lock's address: its message and its token. */
  readonly handle: string;
  readonly lockToken: string;
  /** How often it was delivered, this time included: in REST the first delivery has 1 (in AMQP it has 0). */
  readonly deliveryCount: number;
  /** How long the lock lasts, by the queue's own clock. */
  readonly lockSeconds: number;
}

export interface ServiceBusCounts {
  /** Waiting and locked ones: the service does not tell them apart. */
  readonly active: number;
  readonly scheduled: number;
}

const SERVICE = 'Service Bus';
const API_VERSION = '2021-05';
/** "Maximum message size: 256 KB for Standard tier" ("Service Bus quotas"), a batch too, with room for what is added. */
const MAX_BATCH = { items: 100, bytes: 240_000 };
const BATCHES_AT_ONCE = 8;
/** The answer to a long poll may be that much late. */
const POLL_MARGIN_MS = 10_000;
/** A lock may be short: better asked again than waited for. */
const SETTLE_MS = 5_000;
/** Where the answer does not tell: the shortest lock that is usual. */
const DEFAULT_LOCK_SECONDS = 30;
const [SHORTEST_LOCK_SECONDS, LONGEST_LOCK_SECONDS] = [2, 300];

const propertiesSchema = z.object({
  LockToken: z.string().min(1),
  DeliveryCount: z.int().positive(),
  LockedUntilUtc: z.string().optional(),
});
/** Handles come back from machines, in reports: never more than the end of an address, and not out of the queue. */
const HANDLE = /^[\w%.~-]+\/[\w-]+$/;

export class ServiceBusClient {
  readonly #queueUrl: string;
  readonly #token: AccessToken | null;

  constructor(options: { queueUrl: string; token: AccessToken | null }) {
    this.#queueUrl = options.queueUrl;
    this.#token = options.token;
  }

  /**
   * Sends all, in as few calls as possible; each call is taken as a whole or not at all.
   * @param bodies in ASCII
   * @throws NotFoundError, TransientError
   */
  async send(bodies: readonly string[]): Promise<void> {
    const entries = bodies.map((Body) => JSON.stringify({ Body }));
    const batches = batched(entries, MAX_BATCH, (entry) => entry.length + 1);
    await inParallel(batches, BATCHES_AT_ONCE, async (batch) => {
      const headers = { 'content-type': 'application/vnd.microsoft.servicebus.json' };
      const answer = await this.#ask('/messages', { method: 'POST', headers, body: `[${batch.join(',')}]` });
      if (answer.status === 403 && /quota|maximum.*size has been reached/i.test(detailOf(answer.bytes))) {
        throw new TransientError('the queue is full', { context: { detail: detailOf(answer.bytes) } });
      }
      if (answer.status !== 201) throw this.#refused('Send', answer);
    });
  }

  /** The next message, locked; `undefined` when none comes in time. @throws NotFoundError, TransientError */
  async peekLock(waitSeconds: number, tries?: number): Promise<PeekLocked | undefined> {
    const answer = await this.#ask(`/messages/head?timeout=${waitSeconds}`, {
      method: 'POST',
      timeoutMs: waitSeconds * 1_000 + POLL_MARGIN_MS,
      ...(tries === undefined ? {} : { tries }),
    });
    if (answer.status === 204) return undefined;
    if (answer.status !== 201) throw this.#refused('Peek-Lock', answer);
    const properties = propertiesSchema.safeParse(parsedJson(answer.headers.get('brokerproperties') ?? ''));
    // As it is in the address: the message is named there in one of two ways.
    const handle = /\/messages\/([^/?]+\/[^/?]+)$/.exec(answer.headers.get('location') ?? '')?.[1] ?? '';
    if (!properties.success || !HANDLE.test(handle)) throw unexpected(SERVICE, 'Peek-Lock', answer);
    const { LockToken, DeliveryCount, LockedUntilUtc } = properties.data;
    return {
      body: new TextDecoder().decode(answer.bytes),
      handle,
      lockToken: LockToken,
      deliveryCount: DeliveryCount,
      lockSeconds: lockSeconds(LockedUntilUtc, answer.headers.get('date')),
    };
  }

  /** Each of these says whether the lock was still good. @throws TransientError */
  complete(handle: string): Promise<boolean> {
    return this.#settle('DELETE', handle);
  }

  abandon(handle: string): Promise<boolean> {
    return this.#settle('PUT', handle);
  }

  renew(handle: string): Promise<boolean> {
    return this.#settle('POST', handle);
  }

  /** @throws NotFoundError, TransientError */
  async counts(): Promise<ServiceBusCounts> {
    const answer = await this.#ask(`?api-version=${API_VERSION}`, { method: 'GET' });
    if (answer.status !== 200) throw this.#refused('Get Queue', answer);
    const text = new TextDecoder().decode(answer.bytes);
    const [active, scheduled] = [countIn(text, 'ActiveMessageCount'), countIn(text, 'ScheduledMessageCount')];
    // Of a queue that is not there, an empty feed is shown.
    if (active === undefined || scheduled === undefined) throw noSuchQueue(answer);
    return { active, scheduled };
  }

  async #settle(method: 'DELETE' | 'PUT' | 'POST', handle: string): Promise<boolean> {
    if (!HANDLE.test(handle)) throw new PermanentError('this is no lock of Service Bus', { context: { handle } });
    const answer = await this.#ask(`/messages/${handle}`, { method, timeoutMs: SETTLE_MS });
    // "No message was found with the specified MessageId or LockToken"; 410 with the queue itself.
    if (answer.status === 404 || answer.status === 410) return false;
    if (answer.status !== 200) throw this.#refused(method, answer);
    return true;
  }

  #ask(path: string, question: AzureQuestion): Promise<AzureAnswer> {
    return askAzure({ service: SERVICE, token: this.#token }, this.#queueUrl + path, question);
  }

  #refused(operation: string, answer: AzureAnswer): Error {
    return answer.status === 404 || answer.status === 410
      ? noSuchQueue(answer)
      : unexpected(SERVICE, operation, answer);
  }
}

const noSuchQueue = ({ status }: AzureAnswer): NotFoundError =>
  new NotFoundError('there is no such queue', { context: { status } });

function countIn(text: string, name: string): number | undefined {
  const count = new RegExp(`<(?:\\w+:)?${name}>(\\d+)<`).exec(text)?.[1];
  return count === undefined ? undefined : Number(count);
}

/** Both times are the service's: this machine's clock may be wrong. */
function lockSeconds(lockedUntil: string | undefined, answeredAt: string | null): number {
  const seconds = (Date.parse(lockedUntil ?? '') - Date.parse(answeredAt ?? '')) / 1_000;
  if (Number.isNaN(seconds)) return DEFAULT_LOCK_SECONDS;
  return Math.min(LONGEST_LOCK_SECONDS, Math.max(SHORTEST_LOCK_SECONDS, seconds));
}
