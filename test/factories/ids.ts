/** Ids that look like real ones and sort by their sequence number. */
import { jobIdFromUlid, taskIdOf } from '../../core/ids.ts';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_PART = '01JD8Z3K9M';

/** A valid ULID; a higher number sorts later. */
export function ulidOf(sequence: number): string {
  let left = sequence;
  let randomPart = '';
  while (randomPart.length < 16) {
    randomPart = `${CROCKFORD[left % 32]}${randomPart}`;
    left = Math.floor(left / 32);
  }
  return `${TIME_PART}${randomPart}`;
}

export const jobIdFactory = (sequence = 1): string => jobIdFromUlid(ulidOf(sequence));
export const taskIdFactory = (index = 0, jobId = jobIdFactory()): string => taskIdOf(jobId, index);

/** A full commit SHA. */
export const COMMIT = '0123456789abcdef0123456789abcdef01234567';
