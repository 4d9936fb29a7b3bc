import { AwsError } from '../protocol/aws-error.ts';

export interface BatchEntry {
  readonly Id: string;
  readonly [member: string]: unknown;
}

/**
 * Applies a call to each entry of a batch. One that is refused fails alone.
 *
 * @throws {AwsError} when the batch itself is malformed: empty, more than ten, ids malformed or repeated
 */
export function applyToBatch(entries: readonly BatchEntry[], apply: (entry: BatchEntry) => object): object {
  checkBatch(entries);
  const successful: object[] = [];
  const failed: object[] = [];
  for (const entry of entries) {
    try {
      successful.push({ Id: entry.Id, ...apply(entry) });
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      failed.push({ Id: entry.Id, SenderFault: true, Code: error.code, Message: error.message });
    }
  }
  return { Successful: successful, ...(failed.length > 0 && { Failed: failed }) };
}

function checkBatch(entries: readonly BatchEntry[]): void {
  if (entries.length === 0) {
    throw new AwsError('EmptyBatchRequest', 'There should be at least one entry in the request.');
  }
  if (entries.length > 10) {
    const message = `Maximum number of entries per request are 10. You have sent ${entries.length}.`;
    throw new AwsError('TooManyEntriesInBatchRequest', message);
  }
  const seen = new Set<string>();
  for (const { Id } of entries) {
    if (!/^[\w-]{1,80}$/.test(Id)) throw new AwsError('InvalidBatchEntryId', `The batch entry id ${Id} is malformed.`);
    if (seen.has(Id)) throw new AwsError('BatchEntryIdsNotDistinct', `Id ${Id} repeated.`);
    seen.add(Id);
  }
}
