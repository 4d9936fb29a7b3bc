/**
 * The bridge: what machines on GCP report, and task messages that were received too often, go home to the queues of AWS.
 *
 * Pub/Sub pushes each message by a request and takes 2xx for an acknowledgement: the answer is given when SQS has the
 * message. Anything else, and it comes again, for as long as the subscription keeps it; twice is harmless.
 */
import { z } from 'zod';
import { carriedBody } from '../../adapters/carried-body.ts';

const pushSchema = z.object({
  message: z.object({ data: z.base64().default(''), messageId: z.string().optional() }),
});

export interface Carrier {
  carry(body: string): Promise<void>;
}

export interface BridgeAnswer {
  readonly status: number;
  readonly text: string;
}

/** By the last part of the address that a subscription pushes to. */
export type Carriers = Readonly<Record<string, Carrier>>;

/** @throws whatever the carrier throws: the message is to come again */
export async function carryPush(path: string, body: unknown, carriers: Carriers): Promise<BridgeAnswer> {
  const carrier = carriers[path.replace(/^\/+|\/+$/g, '')];
  if (!carrier) return { status: 404, text: `there is no ${path} here` };
  const push = pushSchema.safeParse(body);
  // No subscription sends such a thing, and sending it again would not help.
  if (!push.success) return { status: 400, text: 'this is no push of Pub/Sub' };
  await carrier.carry(carriedBody(Buffer.from(push.data.message.data, 'base64'), 'bridge-gcp'));
  return { status: 204, text: '' };
}
