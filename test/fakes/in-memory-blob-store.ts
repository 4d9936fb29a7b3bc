import type { BlobStore, ByteRange } from '../../core/ports.ts';

export class InMemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<string, { body: Uint8Array; contentType: string }>();

  async put(key: string, body: string | Uint8Array, contentType: string): Promise<void> {
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : Uint8Array.from(body);
    this.#blobs.set(key, { body: bytes, contentType });
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    const blob = this.#blobs.get(key);
    return blob && Uint8Array.from(range ? blob.body.subarray(range.offset, range.offset + range.bytes) : blob.body);
  }

  /** Every key, in order: for assertions. */
  keys(): string[] {
    return [...this.#blobs.keys()].sort();
  }
}
