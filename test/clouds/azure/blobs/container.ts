/** One container of block blobs, in memory. */

export interface StoredBlob {
  readonly body: Buffer;
  readonly contentType: string;
  readonly etag: string;
  readonly writtenAt: Date;
}

export class Container {
  readonly #blobs = new Map<string, StoredBlob>();
  /** Of blobs that are being put together, by block id. */
  readonly #blocks = new Map<string, Map<string, Buffer>>();
  #writes = 0;

  find(name: string): StoredBlob | undefined {
    return this.#blobs.get(name);
  }

  names(): string[] {
    return [...this.#blobs.keys()].sort();
  }

  put(name: string, body: Buffer, contentType: string): StoredBlob {
    this.#writes += 1;
    const etag = `"0x8D${this.#writes.toString(16).toUpperCase().padStart(13, '0')}"`;
    const blob = { body, contentType, etag, writtenAt: new Date() };
    this.#blobs.set(name, blob);
    this.#blocks.delete(name);
    return blob;
  }

  putBlock(name: string, blockId: string, body: Buffer): void {
    const blocks = this.#blocks.get(name) ?? new Map<string, Buffer>();
    this.#blocks.set(name, blocks.set(blockId, body));
  }

  /** `undefined` when one of the blocks was never put. */
  blocksOf(name: string, ids: readonly string[]): Buffer | undefined {
    const blocks = ids.map((id) => this.#blocks.get(name)?.get(id));
    return blocks.every((block) => block !== undefined) ? Buffer.concat(blocks) : undefined;
  }

  delete(name: string): boolean {
    return this.#blobs.delete(name);
  }
}
