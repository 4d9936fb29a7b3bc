/** Messages that were given up, kept as blobs for people to look at: `dead-letters/{day}/{hash}.json`. */
import { createHash } from 'node:crypto';
import { blobKeys } from '../core/ids.ts';
import type { BlobStore, Clock, DeadLetterChannel } from '../core/ports.ts';
import { inParallel } from './in-parallel.ts';

const PUTS_AT_ONCE = 8;

export class BlobDeadLetters implements DeadLetterChannel {
  readonly #blobs: Pick<BlobStore, 'put'>;
  readonly #clock: Clock;

  constructor(options: { blobs: Pick<BlobStore, 'put'>; clock: Clock }) {
    this.#blobs = options.blobs;
    this.#clock = options.clock;
  }

  async put(letters: Parameters<DeadLetterChannel['put']>[0]): Promise<void> {
    const at = this.#clock.now().toISOString();
    await inParallel(letters, PUTS_AT_ONCE, ({ body, reason, source }) => {
      // Kept twice on the same day, it is there once.
      const hash = createHash('sha256').update(`${source}\n${reason}\n${body}`).digest('hex').slice(0, 32);
      const letter = JSON.stringify({ at, source, reason, body });
      return this.#blobs.put(blobKeys.deadLetter(at.slice(0, 10), hash), letter, 'application/json');
    });
  }
}
