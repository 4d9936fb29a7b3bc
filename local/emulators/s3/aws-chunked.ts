/**
 * Decodes `Content-Encoding: aws-chunked`, the body format in which SDKs send streams so that a checksum can follow as
 * a trailer: `size-in-hex[;extension]CRLF data CRLF ... 0 CRLF trailers CRLF`. Chunk signatures are not checked.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { S3Error } from './s3-error.ts';

export class AwsChunkedDecoder extends Transform {
  /** Trailing headers by lower-case name; complete once the stream has ended. */
  readonly trailers = new Map<string, string>();
  #line = '';
  #dataLeft = 0;
  #part: 'size' | 'data' | 'afterData' | 'trailers' = 'size';

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#part === 'data') {
        const end = Math.min(chunk.length, offset + this.#dataLeft);
        this.push(chunk.subarray(offset, end));
        this.#dataLeft -= end - offset;
        offset = end;
        if (this.#dataLeft === 0) this.#part = 'afterData';
        continue;
      }
      const lineEnd = chunk.indexOf(0x0a, offset);
      this.#line += chunk.toString('latin1', offset, lineEnd === -1 ? chunk.length : lineEnd);
      if (lineEnd === -1) break;
      offset = lineEnd + 1;
      const line = this.#line.trimEnd();
      this.#line = '';
      if (!this.#takeLine(line)) {
        done(malformed());
        return;
      }
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    done(this.#part === 'trailers' ? null : malformed());
  }

  #takeLine(line: string): boolean {
    if (this.#part === 'trailers') {
      const colon = line.indexOf(':');
      if (colon > 0) this.trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
      return true;
    }
    if (this.#part === 'afterData') {
      this.#part = 'size';
      return line === '';
    }
    const size = line.split(';', 1)[0] ?? '';
    if (!/^[0-9a-f]+$/i.test(size)) return false;
    this.#dataLeft = Number.parseInt(size, 16);
    this.#part = this.#dataLeft === 0 ? 'trailers' : 'data';
    return true;
  }
}

function malformed(): S3Error {
  return new S3Error(400, 'IncompleteBody', 'The request body is not well-formed aws-chunked data');
}
