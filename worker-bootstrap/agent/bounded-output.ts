/** The end of a stream, in bounded memory: a command may print for hours. */

export class BoundedOutput {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #kept = 0;
  #isCut = false;

  /** @param limit bytes kept, the last ones */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether anything was said. */
  get isEmpty(): boolean {
    return this.#kept === 0;
  }

  append(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#kept += chunk.length;
    // Cut only when twice the limit is held, so that many small chunks cost one copy and not one each.
    if (this.#kept >= 2 * this.#limit) this.#cut();
  }

  /** The last `bytes` bytes as text; a character that the cut went through is left out. */
  tail(bytes = this.#limit): string {
    this.#cut();
    const all = Buffer.concat(this.#chunks);
    let start = Math.max(0, all.length - bytes);
    // 10xxxxxx continues a character of UTF-8: at most three of them follow its first byte.
    const isCut = start > 0 || this.#isCut;
    for (let skipped = 0; isCut && skipped < 3 && ((all[start] ?? 0) & 0xc0) === 0x80; skipped += 1) start += 1;
    return all.subarray(start).toString('utf8');
  }

  /** The last line that is not blank, at most `length` characters of it; '' if there is none. */
  lastLine(length = 300): string {
    const lines = this.tail().split(/[\r\n]+/);
    const last = lines.findLast((line) => line.trim() !== '')?.trim() ?? '';
    return last.length > length ? `${last.slice(0, length)}…` : last;
  }

  #cut(): void {
    if (this.#kept <= this.#limit) return;
    const all = Buffer.concat(this.#chunks);
    // A copy, because a view would keep the whole buffer alive.
    const kept = Buffer.from(all.subarray(all.length - this.#limit));
    this.#chunks = [kept];
    this.#kept = kept.length;
    this.#isCut = true;
  }
}
