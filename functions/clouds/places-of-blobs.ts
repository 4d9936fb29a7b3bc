/**
 * Blobs in several clouds. Inputs are written at home, on AWS; a machine writes results, logs and checkpoints into the bucket
 * of its own cloud, for which it needs no identity in any other. Whoever reads looks at home first; what a machine elsewhere
 * is to read is carried to it. Keys are the same everywhere, and no blob ever changes: which copy is read does not matter.
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import type { Services } from '../../core/ids.ts';
import type { BlobLinks, BlobStore, ByteRange, ByteStream } from '../../core/ports.ts';

export interface Place {
  readonly services: Services;
  readonly blobs: () => Promise<BlobStore>;
}

const CARRIED_AT_ONCE = 4;
const FIRST_BYTE: ByteRange = { offset: 0, bytes: 1 };

/** Reads what is in any of the places, writes into the first. */
export class PlacesOfBlobs implements BlobStore {
  readonly #places: readonly Place[];

  /** @param places the likeliest first; the first is where is written */
  constructor(places: readonly Place[]) {
    this.#places = places;
  }

  async put(...asked: Parameters<BlobStore['put']>): Promise<void> {
    await (await this.#home()).put(...asked);
  }

  async putStream(...asked: Parameters<BlobStore['putStream']>): Promise<void> {
    await (await this.#home()).putStream(...asked);
  }

  get(key: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    return this.#first((blobs) => blobs.get(key, range));
  }

  getStream(key: string, signal?: AbortSignal): Promise<ByteStream | undefined> {
    return this.#first((blobs) => blobs.getStream(key, signal));
  }

  /** A place that does not answer hides nothing of the others; but what is in none of them may be there. */
  async #first<Found>(read: (blobs: BlobStore) => Promise<Found | undefined>): Promise<Found | undefined> {
    const failures: unknown[] = [];
    for (const { blobs } of this.#places) {
      try {
        const found = await read(await blobs());
        if (found !== undefined) return found;
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    return undefined;
  }

  async #home(): Promise<BlobStore> {
    const [home] = this.#places;
    if (!home) throw new RangeError('there is no place for blobs');
    return home.blobs();
  }
}

/**
 * Copies blobs to where they are to be read; what is there already, or nowhere, is left as it is. May be repeated.
 * @throws TransientError when a place does not answer
 */
export async function carryBlobs(keys: readonly string[], to: Services, places: readonly Place[]): Promise<void> {
  const wanted = [...new Set(keys)].filter((key) => to !== 'aws' || !isInput(key));
  if (wanted.length === 0) return;
  const target = await places.find(({ services }) => services === to)?.blobs();
  if (!target) return;
  const elsewhere = new PlacesOfBlobs(places.filter(({ services }) => services !== to));
  await inParallel(wanted, CARRIED_AT_ONCE, async (key) => {
    if (await target.get(key, FIRST_BYTE)) return;
    const found = await elsewhere.getStream(key);
    if (found) await target.putStream(key, found, contentTypeOf(key));
  });
}

/** They were written at home. */
const isInput = (key: string): boolean => key.includes('/inputs/');

function contentTypeOf(key: string): string {
  if (isInput(key)) return 'application/x-ndjson';
  if (key.includes('/results/')) return 'application/json';
  return key.includes('/logs/') ? 'text/plain; charset=utf-8' : 'application/octet-stream';
}

/** Addresses of blobs in any of the places: what is asked for is carried home first. */
export const linksHome = (links: BlobLinks, places: readonly Place[]): BlobLinks => ({
  link: async (key, expiresSeconds) => {
    await carryBlobs([key], 'aws', places);
    return links.link(key, expiresSeconds);
  },
});
