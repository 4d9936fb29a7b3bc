import { buffer } from 'node:stream/consumers';
import { PermanentError } from '../../core/errors.ts';
import type { BlobLinks, BlobStore, ByteRange, ByteStream } from '../../core/ports.ts';

async function* pieces(bytes: Uint8Array) {
  yield bytes;
}

export class InMemoryBlobStore implements BlobStore, BlobLinks {
  readonly #blobs = new Map<string, { body: Uint8Array; contentType: string }>();

  async put(key: string, body: string | Uint8Array, contentType: string): Promise<void> {
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : Uint8Array.from(body);
    this.#blobs.set(key, { body: bytes, contentType });
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    const blob = this.#blobs.get(key);
    return blob && Uint8Array.from(range ? blob.body.subarray(range.offset, range.offset + range.bytes) : blob.body);
  }

  async putStream(key: string, body: ByteStream, contentType: string, signal?: AbortSignal): Promise<void> {
    const bytes = await buffer(body.chunks);
    signal?.throwIfAborted();
    if (bytes.length !== body.bytes) throw new PermanentError(`${bytes.length} bytes came, not ${body.bytes}`);
    await this.put(key, bytes, contentType);
  }

  async getStream(key: string, signal?: AbortSignal): Promise<ByteStream | undefined> {
    signal?.throwIfAborted();
    const bytes = await this.get(key);
    return bytes && { bytes: bytes.length, chunks: pieces(bytes) };
  }

  async link(key: string): Promise<string> {
    const blob = this.#blobs.get(key);
    return `data:${blob?.contentType};base64,${Buffer.from(blob?.body ?? []).toString('base64')}`;
  }

  /** Every key, in order: for assertions. */
  keys(): string[] {
    return [...this.#blobs.keys()].sort();
  }
}
