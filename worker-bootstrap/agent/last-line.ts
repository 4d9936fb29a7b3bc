/**
 * The last line of stdout that is not blank, where a command may print its result. It is kept whole, unlike the rest of
 * the output: a result that was cut would pass for no result at all.
 */

/** A larger result belongs into `$SHOAL_RESULT_FILE`. */
export const MAX_LINE_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;
const isBlank = (line: Buffer): boolean => line.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d));

export type LastLine =
  | { readonly kind: 'line'; readonly bytes: Buffer }
  | { readonly kind: 'overlong'; readonly first: string };

export class LastLineReader {
  #complete: LastLine = { kind: 'line', bytes: Buffer.alloc(0) };
  #open: Buffer[] = [];
  #openBytes = 0;

  append(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      this.#extend(rest.subarray(0, end));
      this.#complete = this.#close() ?? this.#complete;
      rest = rest.subarray(end + 1);
    }
    this.#extend(rest);
  }

  /** The last line so far, with or without a newline at its end. */
  read(): LastLine {
    return this.#peek() ?? this.#complete;
  }

  #extend(part: Buffer): void {
    // Of an overlong line only the beginning is kept, to tell a result from a progress bar.
    if (this.#openBytes <= MAX_LINE_BYTES && part.length > 0) this.#open.push(Buffer.from(part));
    this.#openBytes += part.length;
  }

  #close(): LastLine | undefined {
    const line = this.#peek();
    this.#open = [];
    this.#openBytes = 0;
    return line;
  }

  #peek(): LastLine | undefined {
    const bytes = Buffer.concat(this.#open);
    if (isBlank(bytes)) return undefined;
    if (this.#openBytes > MAX_LINE_BYTES) return { kind: 'overlong', first: bytes.toString('latin1', 0, 64).trim() };
    return { kind: 'line', bytes };
  }
}
