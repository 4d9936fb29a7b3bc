/**
 * What ARM has accepted, until it is done: it is asked at the address of its header `Azure-AsyncOperation`, else at
 * `Location`, as often as `Retry-After` says ("Track asynchronous Azure operations").
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { TransientError } from '../../core/errors.ts';
import { type ArmAnswer, type ArmClient, type ArmFault, faultIn } from './arm-client.ts';

export type OperationEnd =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'failed'; readonly fault: ArmFault }
  /** It goes on; how it ends shows in what it makes. */
  | { readonly kind: 'unfinished' };

const statusSchema = z.object({
  status: z.string(),
  error: z.object({ code: z.string(), message: z.string().default('') }).optional(),
});
/** Where no header says how often to ask. */
const DEFAULT_SECONDS = 5;
const [SHORTEST_SECONDS, LONGEST_SECONDS] = [0.02, 30];

/** Follows an operation, for so long at most. Never throws: an operation of which nothing is heard goes on. */
export async function followOperation(arm: ArmClient, accepted: ArmAnswer, seconds: number): Promise<OperationEnd> {
  const status = accepted.headers.get('azure-asyncoperation');
  const url = status ?? accepted.headers.get('location');
  if (!url) return { kind: 'succeeded' };
  const until = Date.now() + seconds * 1_000;
  for (let answer = accepted; ; ) {
    const pauseMs = pauseSeconds(answer) * 1_000;
    if (Date.now() + pauseMs > until) return { kind: 'unfinished' };
    await sleep(pauseMs);
    try {
      answer = await arm.ask(url, { method: 'GET' });
    } catch (error) {
      if (error instanceof TransientError) continue;
      return { kind: 'unfinished' };
    }
    const end = status ? endByStatus(answer) : endByLocation(answer);
    if (end) return end;
  }
}

/** The status is in the body; an answer that is none says nothing. */
function endByStatus(answer: ArmAnswer): OperationEnd | undefined {
  const parsed = statusSchema.safeParse(answer.body);
  if (answer.status !== 200 || !parsed.success) return undefined;
  const { status, error } = parsed.data;
  if (status === 'Succeeded') return { kind: 'succeeded' };
  if (status !== 'Failed' && status !== 'Canceled') return undefined;
  return { kind: 'failed', fault: error ?? { code: status, message: 'ARM gives no reason' } };
}

/** 202 while it goes on. */
function endByLocation(answer: ArmAnswer): OperationEnd | undefined {
  if (answer.status === 202 || answer.status === 429) return undefined;
  return answer.status < 300 ? { kind: 'succeeded' } : { kind: 'failed', fault: faultIn(answer) };
}

function pauseSeconds({ headers }: ArmAnswer): number {
  const told = headers.get('retry-after');
  const seconds = told === null || Number.isNaN(Number(told)) ? DEFAULT_SECONDS : Number(told);
  return Math.min(LONGEST_SECONDS, Math.max(SHORTEST_SECONDS, seconds));
}
