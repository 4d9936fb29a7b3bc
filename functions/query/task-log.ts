/** What an attempt printed, as text. */
import { NotFoundError } from '../../core/errors.ts';
import type { BlobStore } from '../../core/ports.ts';
import type { TaskRecord } from '../../core/task.ts';

/** An answer must fit Lambda's 6 MB as a JSON string, in which a control character takes six bytes. */
const MAX_BYTES = 700_000;

/**
 * The output of one attempt, of the last one that ended unless told otherwise; the end of it, where there is too much.
 * @throws NotFoundError when there is no such attempt, or it printed nothing but its result
 */
export async function logText(task: TaskRecord | undefined, attempt: number | undefined, blobs: BlobStore) {
  const ended = task?.attempts ?? [];
  const found = attempt === undefined ? ended.at(-1) : ended.findLast((each) => each.attempt === attempt);
  const which = attempt === undefined ? 'no attempt' : `no attempt ${attempt}`;
  if (!found) throw new NotFoundError(`${which} of this task has ended`);
  const nothing = () => new NotFoundError(`attempt ${found.attempt} printed nothing but its result, if anything`);
  if (!found.log) throw nothing();
  const { blob, bytes } = found.log;
  const skipped = Math.max(0, bytes - MAX_BYTES);
  const content = await blobs.get(blob, skipped > 0 ? { offset: skipped, bytes: MAX_BYTES } : undefined);
  if (!content) throw new NotFoundError(`what attempt ${found.attempt} printed is kept no longer`);
  const text = Buffer.from(content).toString('utf8');
  return skipped > 0 ? `… ${skipped} bytes are left out here …\n${text}` : text;
}
