/** Which messages of a batch failed, by what the function answered. Fails closed: what is not clear has failed. */
import { z } from 'zod';
import type { Outcome } from './invocation.ts';

/** Nothing, `null`, `{}` and an empty list all mean success (Lambda Developer Guide, "Partial batch responses"). */
const responseSchema = z
  .object({ batchItemFailures: z.array(z.object({ itemIdentifier: z.string().min(1) })).nullish() })
  .nullable();

/**
 * The ids of the messages that must stay on their queue.
 * @param messageIds of the whole batch
 * @param partial whether the event source mapping asks for `ReportBatchItemFailures`
 */
export function failedMessageIds(
  outcome: Outcome,
  messageIds: readonly string[],
  partial: boolean,
): ReadonlySet<string> {
  const all = new Set(messageIds);
  if (outcome.kind === 'failed') return all;
  if (!partial) return new Set();
  const response = responseSchema.safeParse(JSON.parse(outcome.payload));
  if (!response.success) return all;
  const failures = (response.data?.batchItemFailures ?? []).map((each) => each.itemIdentifier);
  // An id that is not of this batch means that the function speaks of something else: Lambda takes all as failed, too.
  return failures.every((id) => all.has(id)) ? new Set(failures) : all;
}
