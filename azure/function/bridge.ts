/**
 * The bridge: what machines on Azure report, and task messages that were received too often, go home to the queues of AWS.
 *
 * The host completes a batch of Service Bus when its function returns, and gives all of it back when it throws: it returns
 * when SQS has every message. Twice is harmless.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { carriedBody } from '../../adapters/carried-body.ts';

export interface Carrier {
  carry(body: string): Promise<void>;
}

/**
 * @param messages as the host hands them over: bytes; text and what it has parsed, should it ever do so unasked
 * @throws whatever the carrier throws, after a pause: what is given back comes at once, and only so often
 */
export async function carryBatch(messages: readonly unknown[], carrier: Carrier, pauseSeconds: number): Promise<void> {
  const carried = messages.map((message) => carrier.carry(carriedBody(bytesOf(message), 'bridge-azure')));
  const failed = (await Promise.allSettled(carried)).find((each) => each.status === 'rejected');
  if (!failed) return;
  await sleep(pauseSeconds * 1_000);
  throw failed.reason;
}

function bytesOf(message: unknown): Uint8Array {
  if (message instanceof Uint8Array) return message;
  return Buffer.from(typeof message === 'string' ? message : JSON.stringify(message ?? null));
}
