/** The one way to use SQS's batch calls: ten entries a call, and failed entries are never ignored. */
import type { BatchResultErrorEntry } from '@aws-sdk/client-sqs';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { backoff } from '../backoff.ts';
import { batched, inParallel } from '../in-parallel.ts';
import { isTransientCode } from './aws-errors.ts';

const MAX_ENTRIES = 10;
/** What one batch may weigh (SQS quotas, 1 MiB), with room for what surrounds the bodies. */
const MAX_BATCH_BYTES = 1_000_000;
const MAX_TRIES = 6;
const CONCURRENCY = 8;

export interface BatchEntry {
  /** Unique within its call; the entry of an item is found again by it. */
  readonly Id: string;
}

interface BatchAnswer {
  Failed?: BatchResultErrorEntry[] | undefined;
}

/**
 * Sends all entries in as few calls as possible, several calls at once, and tries failed entries again.
 * @param weigh bytes of an entry, where they count
 * @throws TransientError when entries still fail after some tries; PermanentError when SQS says it is the sender's fault
 */
export async function inBatches<Entry extends BatchEntry>(
  entries: readonly Entry[],
  call: (entries: Entry[]) => Promise<BatchAnswer>,
  weigh: (entry: Entry) => number = () => 0,
): Promise<void> {
  const batches = batched(entries, { items: MAX_ENTRIES, bytes: MAX_BATCH_BYTES }, weigh);
  await inParallel(batches, CONCURRENCY, async (batch) => {
    let left = batch;
    for (let tries = 1; left.length > 0; tries += 1) {
      const failed = (await call(left)).Failed ?? [];
      // Throttling is told as the sender's fault, too, and passes all the same.
      const fault = failed.find((entry) => entry.SenderFault && !isTransientCode(entry.Code ?? ''));
      if (fault)
        throw new PermanentError('SQS refused an entry', { context: { code: fault.Code, why: fault.Message } });
      if (failed.length > 0 && tries === MAX_TRIES) {
        throw new TransientError('SQS entries failed', { context: { failed: failed.length, code: failed[0]?.Code } });
      }
      const ids = new Set(failed.map((entry) => entry.Id));
      left = left.filter((entry) => ids.has(entry.Id));
      if (left.length > 0) await backoff(tries);
    }
  });
}
