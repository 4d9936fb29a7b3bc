/**
 * One bucket in one folder: `bodies/<random>` holds an object's bytes, `objects/<hash of key>.json` names that file and
 * says the rest. A write puts the new body beside the old one and then renames its metadata into place: that rename is
 * the commit, so a reader or a crash sees the old object or the new one, never a mixture. The metadata of all objects
 * is also held in memory, so that listings and conditions touch no disk.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { compareKeys } from './compare-keys.ts';
import { noSuchKey } from './s3-error.ts';
import { fileNameOf, type StoredObject, storedObjectSchema } from './stored-object.ts';

/** A body on disk that no object names yet. */
export interface ReceivedBody {
  readonly bodyFile: string;
  readonly size: number;
  /** In hex. */
  readonly md5: string;
  readonly crc32: number;
}

export class Bucket {
  readonly #folder: string;
  readonly #objects = new Map<string, StoredObject>();
  readonly #pending = new Map<string, Promise<unknown>>();
  #sortedKeys: string[] | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens the bucket in that folder, creating it if need be, and removes bodies that a crash left unnamed. */
  static async open(folder: string): Promise<Bucket> {
    const bucket = new Bucket(folder);
    await mkdir(join(folder, 'bodies'), { recursive: true });
    await mkdir(join(folder, 'objects'), { recursive: true });
    await bucket.#load();
    return bucket;
  }

  find(key: string): StoredObject | undefined {
    return this.#objects.get(key);
  }

  /** All keys in the order of a listing. */
  keys(): readonly string[] {
    this.#sortedKeys ??= [...this.#objects.keys()].sort(compareKeys);
    return this.#sortedKeys;
  }

  /** Streams a body, through a decoder if it has one, to disk. Whoever calls it commits the result with {@link put} or gives it to {@link drop}. */
  async receive(body: Readable, decoder?: Transform): Promise<ReceivedBody> {
    const bodyFile = randomUUID();
    const md5 = createHash('md5');
    let size = 0;
    let checksum = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        size += chunk.length;
        checksum = crc32(chunk, checksum);
        md5.update(chunk);
        done(null, chunk);
      },
    });
    try {
      await pipeline([
        body,
        ...(decoder === undefined ? [] : [decoder]),
        measure,
        createWriteStream(this.#bodyPath(bodyFile)),
      ]);
    } catch (error) {
      await this.drop({ bodyFile });
      throw error;
    }
    return { bodyFile, size, md5: md5.digest('hex'), crc32: checksum };
  }

  async drop({ bodyFile }: { readonly bodyFile: string }): Promise<void> {
    await rm(this.#bodyPath(bodyFile), { force: true });
  }

  /**
   * Makes a received body the object of that key.
   *
   * @param check sees the present object, with no other write to this key in between; throws to refuse
   */
  put(object: StoredObject, check: (present: StoredObject | undefined) => void): Promise<void> {
    return this.#alone(object.key, async () => {
      const present = this.#objects.get(object.key);
      check(present);
      const path = this.#objectPath(object.key);
      const temporary = `${path}.${object.bodyFile}`;
      await writeFile(temporary, JSON.stringify(object));
      await rename(temporary, path);
      this.#objects.set(object.key, object);
      if (present === undefined) this.#sortedKeys = undefined;
      else await this.drop(present);
    });
  }

  /** Deletes what is there; a key without an object is fine too. */
  delete(key: string): Promise<void> {
    return this.#alone(key, async () => {
      const present = this.#objects.get(key);
      if (present === undefined) return;
      await rm(this.#objectPath(key), { force: true });
      this.#objects.delete(key);
      this.#sortedKeys = undefined;
      await this.drop(present);
    });
  }

  /** Opens an object as it stands; the handle keeps its bytes readable even if the object is replaced meanwhile. */
  async open(key: string): Promise<{ object: StoredObject; file: FileHandle }> {
    for (let object = this.#objects.get(key); object !== undefined; object = this.#objects.get(key)) {
      try {
        return { object, file: await open(this.#bodyPath(object.bodyFile)) };
      } catch (error) {
        // Replaced between the look-up and the opening: look again. The same object without its file is a fault.
        if (this.#objects.get(key) === object) throw error;
      }
    }
    throw noSuchKey();
  }

  /** Runs the writes of one key one after another. */
  async #alone(key: string, write: () => Promise<void>): Promise<void> {
    const before = this.#pending.get(key) ?? Promise.resolve();
    const result = before.then(write);
    const settled = result.catch(() => undefined);
    this.#pending.set(key, settled);
    try {
      await result;
    } finally {
      if (this.#pending.get(key) === settled) this.#pending.delete(key);
    }
  }

  async #load(): Promise<void> {
    for (const file of await readdir(join(this.#folder, 'objects'))) {
      if (!file.endsWith('.json')) continue;
      const text = await readFile(join(this.#folder, 'objects', file), 'utf8');
      const object = storedObjectSchema.parse(JSON.parse(text));
      this.#objects.set(object.key, object);
    }
    const named = new Set([...this.#objects.values()].map((object) => object.bodyFile));
    for (const bodyFile of await readdir(join(this.#folder, 'bodies'))) {
      if (!named.has(bodyFile)) await this.drop({ bodyFile });
    }
  }

  #bodyPath(bodyFile: string): string {
    return join(this.#folder, 'bodies', bodyFile);
  }

  #objectPath(key: string): string {
    return join(this.#folder, 'objects', `${fileNameOf(key)}.json`);
  }
}
