/**
 * What a command printed, for people to read later: how it began and how it ended, in bounded memory, stdout and stderr
 * together in the order in which they came.
 */

/** Of what is kept, so much is the beginning: a failure shows at the end. */
const HEAD_SHARE = 1 / 4;

export class KeptOutput {
  readonly #headLimit: number;
  readonly #tailLimit: number;
  #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #bytes = 0;

  /** @param limit bytes kept at most */
  constructor(limit: number) {
    this.#headLimit = Math.floor(limit * HEAD_SHARE);
    this.#tailLimit = limit - this.#headLimit;
  }

  /** Bytes that came, kept or not. */
  get bytes(): number {
    return this.#bytes;
  }

  get isTruncated(): boolean {
    return this.#bytes > this.#headLimit + this.#tailLimit;
  }

  append(chunk: Buffer): void {
    this.#bytes += chunk.length;
    const toHead = Math.min(chunk.length, this.#headLimit - this.#headBytes);
    if (toHead > 0) {
      this.#head.push(Buffer.from(chunk.subarray(0, toHead)));
      this.#headBytes += toHead;
    }
    // Of a large chunk only its end can stay.
    const rest = chunk.subarray(Math.max(toHead, chunk.length - this.#tailLimit));
    if (rest.length === 0) return;
    this.#tail.push(Buffer.from(rest));
    this.#tailBytes += rest.length;
    // Cut only when twice the limit is held, so that many small chunks cost one copy and not one each.
    if (this.#tailBytes >= 2 * this.#tailLimit) this.#cut();
  }

  /** The whole output, or its two ends with a line between them that says how much is missing. */
  render(): Buffer {
    this.#cut();
    const left = this.#bytes - this.#headBytes - this.#tailBytes;
    const gap = left > 0 ? [Buffer.from(`\n… ${left} bytes are left out here …\n`)] : [];
    return Buffer.concat([...this.#head, ...gap, ...this.#tail]);
  }

  #cut(): void {
    if (this.#tailBytes <= this.#tailLimit) return;
    const all = Buffer.concat(this.#tail);
    // A copy, because a view would keep the whole buffer alive.
    const kept = Buffer.from(all.subarray(all.length - this.#tailLimit));
    this.#tail = [kept];
    this.#tailBytes = kept.length;
  }
}
