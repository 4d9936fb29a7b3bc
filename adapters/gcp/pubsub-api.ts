/** The calls of Pub/Sub's REST API that a queue needs, in batches as large as one request may be. */
import { z } from 'zod';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { batched, inParallel } from '../in-parallel.ts';
import { parsedJson } from '../parsed-json.ts';
import { askGoogle } from './google-api.ts';

/** Pub/Sub, "Quotas and limits": messages a publish request, and its bytes, with room for what surrounds them. */
const MAX_MESSAGES = 1_000;
const MAX_PUBLISH_BYTES = 9_000_000;
/** An acknowledge or modifyAckDeadline request takes 512 KB. */
const MAX_ACK_BYTES = 400_000;
const MAX_ACK_IDS = 1_000;
const ENVELOPE_BYTES = 32;
const CONCURRENCY = 4;

const publishedSchema = z.object({ messageIds: z.array(z.string()) });
const pulledSchema = z.object({
  receivedMessages: z
    .array(
      z.object({
        ackId: z.string(),
        message: z.object({ data: z.base64().default('') }),
        /** Absent without a dead-letter policy. */
        deliveryAttempt: z.int().positive().optional(),
      }),
    )
    .default([]),
});
export type PulledMessage = z.infer<typeof pulledSchema>['receivedMessages'][number];

/** Publishes every body or throws. */
export async function publish(topicUrl: string, bodies: readonly string[], token: AccessToken | null): Promise<void> {
  const messages = bodies.map((body) => ({ data: Buffer.from(body).toString('base64') }));
  const limits = { items: MAX_MESSAGES, bytes: MAX_PUBLISH_BYTES };
  const batches = batched(messages, limits, ({ data }) => data.length + ENVELOPE_BYTES);
  await inParallel(batches, CONCURRENCY, async (batch) => {
    const { messageIds } = await post(`${topicUrl}:publish`, { messages: batch }, publishedSchema, { token });
    if (messageIds.length !== batch.length) {
      const context = { sent: batch.length, taken: messageIds.length };
      throw new TransientError('Pub/Sub did not take every message', { context });
    }
  });
}

export interface PullOptions {
  readonly maxMessages: number;
  readonly waitSeconds: number;
  readonly token: AccessToken | null;
}

/**
 * Pub/Sub waits as long as it likes for a message, so it is we who stop waiting. One that is on its way at that moment
 * comes again when the subscription's deadline has passed.
 */
export async function pull(subscriptionUrl: string, options: PullOptions): Promise<readonly PulledMessage[]> {
  const { maxMessages, waitSeconds, token } = options;
  const url = `${subscriptionUrl}:pull`;
  // Discouraged, as it may miss a message; but a look at a queue that is likely empty must not hold up the next one.
  if (waitSeconds <= 0) {
    return (await post(url, { maxMessages, returnImmediately: true }, pulledSchema, { token })).receivedMessages;
  }
  const waited = AbortSignal.timeout(waitSeconds * 1_000);
  try {
    const limits = { token, signal: waited, timeoutMs: waitSeconds * 1_000 + 1_000 };
    return (await post(url, { maxMessages }, pulledSchema, limits)).receivedMessages;
  } catch (error) {
    // An answer that was an error is none to a wait that came to its end.
    if (error instanceof TransientError && error.cause === waited.reason) return [];
    throw error;
  }
}

/** Acknowledges every message or throws; what lapsed may come again, and is no error. */
export const acknowledge = (url: string, ackIds: readonly string[], token: AccessToken | null): Promise<void> =>
  inAckBatches(ackIds, (batch) => post(`${url}:acknowledge`, { ackIds: batch }, nothing, { token }));

/**
 * What is no message of this subscription stays as it is: Pub/Sub refuses the whole request then, so each is asked for alone.
 * @param seconds from when Pub/Sub hears of it; 0 returns the messages at once, 600 is the most
 */
export const modifyAckDeadline = (
  url: string,
  ackIds: readonly string[],
  seconds: number,
  token: AccessToken | null,
): Promise<void> =>
  inAckBatches(ackIds, async (batch) => {
    try {
      await post(`${url}:modifyAckDeadline`, { ackIds: batch, ackDeadlineSeconds: seconds }, nothing, { token });
    } catch (error) {
      if (!isForeign(error)) throw error;
      if (batch.length === 1) return;
      await inParallel(batch, CONCURRENCY, (ackId) => modifyAckDeadline(url, [ackId], seconds, token));
    }
  });

/** "You have passed a subscription that does not belong to the given ack ID", or "an invalid ack ID". */
const isForeign = (error: unknown): boolean =>
  error instanceof PermanentError && error.context['status'] === 400 && /\back ID\b/.test(String(error.context['why']));

/** Whether it is there: the cheapest question that only a service in order answers. @throws NotFoundError */
export const askSubscription = (url: string, token: AccessToken | null): Promise<void> =>
  askGoogle({ method: 'GET', url, token, timeoutMs: LOOK_MS, tries: 2 }, async (response) => {
    await response.arrayBuffer();
  });
/** Planning waits for it. */
const LOOK_MS = 5_000;

const nothing = z.object({});

async function inAckBatches(ackIds: readonly string[], call: (batch: string[]) => Promise<unknown>): Promise<void> {
  const batches = batched(ackIds, { items: MAX_ACK_IDS, bytes: MAX_ACK_BYTES }, (ackId) => ackId.length + 3);
  await inParallel(batches, CONCURRENCY, call);
}

interface PostOptions {
  readonly token: AccessToken | null;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

function post<Answer>(url: string, body: object, schema: z.ZodType<Answer>, options: PostOptions): Promise<Answer> {
  const headers = { 'content-type': 'application/json' };
  return askGoogle({ method: 'POST', url, headers, body: JSON.stringify(body), ...options }, async (response) => {
    const parsed = schema.safeParse(parsedJson(await response.text()));
    if (parsed.success) return parsed.data;
    throw new PermanentError('Pub/Sub answers what nobody understands', {
      context: { url, why: parsed.error.message },
    });
  });
}
