/**
 * The last line of stdout that is not blank, where a command may print its result. It is kept whole, unlike the rest of
 * the output: a result that was cut would pass for no result at all.
 */

/** A larger result belongs into `$SHOAL_RESULT_FILE`. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;
/** Of a line that does not begin like a JSON object, array or text only so much is kept: it is no large result. */
const MAX_OTHER_LINE_BYTES = 64 * 1024;

const NEWLINE = 0x0a;
const isBlankByte = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
const isBlank = (line: Buffer): boolean => line.every(isBlankByte);

export type LastLine =
  | { readonly kind: 'line'; readonly bytes: Buffer }
  | { readonly kind: 'overlong'; readonly isJsonLike: boolean };

export class LastLineReader {
  #complete: LastLine = { kind: 'line', bytes: Buffer.alloc(0) };
  #open: Buffer[] = [];
  #openBytes = 0;
  /** Whether the open line begins like JSON, blanks aside; unknown while there is nothing else. */
  #isJsonLike: boolean | undefined;
  /** Lines that are not blank and complete; counted to 2. */
  #lines = 0;

  append(chunk: Buffer): void {
    const first = chunk.indexOf(NEWLINE);
    if (first < 0) {
      this.#extend(chunk);
      return;
    }
    this.#extend(chunk.subarray(0, first));
    this.#complete = this.#close() ?? this.#complete;
    const last = chunk.lastIndexOf(NEWLINE);
    this.#readBackwards(chunk, first, last);
    this.#extend(chunk.subarray(last + 1));
  }

  /** The last line so far, with or without a newline at its end. */
  read(): LastLine {
    return this.#peek() ?? this.#complete;
  }

  /** Whether there was no other line that is not blank. */
  get isOnlyLine(): boolean {
    return this.#lines + (this.#peek() ? 1 : 0) === 1;
  }

  /** From the end, so that a flood of lines costs no more than the few that matter. */
  #readBackwards(chunk: Buffer, first: number, last: number): void {
    let isFound = false;
    for (let end = last; end > first && !(isFound && this.#lines >= 2); ) {
      const start = chunk.lastIndexOf(NEWLINE, end - 1);
      const line = chunk.subarray(start + 1, end);
      end = start;
      if (isBlank(line)) continue;
      if (!isFound) this.#complete = { kind: 'line', bytes: Buffer.from(line) };
      isFound = true;
      this.#lines = Math.min(2, this.#lines + 1);
    }
  }

  #extend(part: Buffer): void {
    this.#isJsonLike ??= beginsLikeJson(part);
    // Of an overlong line only the beginning is kept, to tell a result from a progress bar.
    if (this.#openBytes <= this.#limit && part.length > 0) this.#open.push(Buffer.from(part));
    this.#openBytes += part.length;
  }

  #close(): LastLine | undefined {
    const line = this.#peek();
    this.#open = [];
    this.#openBytes = 0;
    this.#isJsonLike = undefined;
    if (line) this.#lines = Math.min(2, this.#lines + 1);
    return line;
  }

  #peek(): LastLine | undefined {
    const bytes = Buffer.concat(this.#open);
    if (isBlank(bytes)) return undefined;
    if (this.#openBytes > this.#limit) return { kind: 'overlong', isJsonLike: this.#isJsonLike ?? false };
    return { kind: 'line', bytes };
  }

  get #limit(): number {
    return this.#isJsonLike === false ? MAX_OTHER_LINE_BYTES : MAX_LINE_BYTES;
  }
}

function beginsLikeJson(part: Buffer): boolean | undefined {
  const first = part.find((byte) => !isBlankByte(byte));
  return first === undefined ? undefined : '{["'.includes(String.fromCharCode(first));
}
