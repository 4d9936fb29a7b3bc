/** Buckets in memory: every write of an object is a new generation of it. */
import { createHash } from 'node:crypto';

export interface StoredObject {
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly generation: number;
  /** In quotes, as it is in headers. */
  readonly etag: string;
  readonly updatedAt: Date;
}

export class Buckets {
  readonly #buckets = new Map<string, Map<string, StoredObject>>();
  /** Generations look like microseconds, and only grow. */
  #generation = 1_700_000_000_000_000;

  create(bucket: string): void {
    if (!this.#buckets.has(bucket)) this.#buckets.set(bucket, new Map());
  }

  has(bucket: string): boolean {
    return this.#buckets.has(bucket);
  }

  get(bucket: string, key: string): StoredObject | undefined {
    return this.#buckets.get(bucket)?.get(key);
  }

  put(bucket: string, key: string, bytes: Buffer, contentType: string): StoredObject {
    this.#generation += 1;
    const hash = createHash('md5').update(bytes).digest('hex');
    const stored = {
      bytes,
      contentType,
      generation: this.#generation,
      etag: `"${hash}"`,
      updatedAt: new Date(),
    };
    this.#buckets.get(bucket)?.set(key, stored);
    return stored;
  }

  delete(bucket: string, key: string): boolean {
    return this.#buckets.get(bucket)?.delete(key) ?? false;
  }

  keys(bucket: string, prefix = ''): string[] {
    return [...(this.#buckets.get(bucket)?.keys() ?? [])].filter((key) => key.startsWith(prefix)).sort();
  }
}
