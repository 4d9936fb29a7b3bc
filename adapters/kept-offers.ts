/**
 * The offers that the scaler read last, in the bucket: estimates and price lists go by the same prices as launches do, and
 * ask no cloud for anything. They are as old as the last work was, and say so.
 */
import { z } from 'zod';
import { offerSchema } from '../core/offer.ts';
import type { BlobStore, Clock, OfferList, OfferSource } from '../core/ports.ts';
import { parsedJson } from './parsed-json.ts';

const keyOf = (provider: string): string =>
  provider === 'aws' ? 'cache/offers.json' : `cache/offers-${provider}.json`;
/** As often as spot prices are read. */
const READ_EVERY_SECONDS = 600;

const listSchema = z.object({ offers: z.array(offerSchema), observedAt: z.iso.datetime(), source: z.string() });

export const keepOffers = (blobs: Pick<BlobStore, 'put'>, list: OfferList, provider = 'aws'): Promise<void> =>
  blobs.put(keyOf(provider), JSON.stringify(list), 'application/json');

export interface KeptOfferSourceOptions {
  readonly blobs: Pick<BlobStore, 'get'>;
  /** As long as nothing was ever kept. */
  readonly otherwise: OfferSource;
  readonly clock: Clock;
  /** Whose offers; AWS's, unless told. */
  readonly provider?: string;
}

export class KeptOfferSource implements OfferSource {
  readonly #options: KeptOfferSourceOptions;
  #read: { readonly list: OfferList; readonly at: number } | undefined;

  constructor(options: KeptOfferSourceOptions) {
    this.#options = options;
  }

  async list(): Promise<OfferList> {
    const { clock, otherwise } = this.#options;
    const at = clock.now().getTime();
    if (this.#read && at - this.#read.at < READ_EVERY_SECONDS * 1_000) return this.#read.list;
    const list = (await this.#kept()) ?? (await otherwise.list());
    this.#read = { list, at };
    return list;
  }

  /** What cannot be read is as good as not there: an estimate by older prices is better than none. */
  async #kept(): Promise<OfferList | undefined> {
    const parsed = listSchema.safeParse(await readJson(this.#options.blobs, keyOf(this.#options.provider ?? 'aws')));
    return parsed.success && parsed.data.offers.length > 0 ? parsed.data : undefined;
  }
}

/** `undefined` for what is not there, cannot be had, or is no JSON. */
export const readJson = (blobs: Pick<BlobStore, 'get'>, key: string): Promise<unknown> =>
  blobs.get(key).then(
    (bytes) => bytes && parsedJson(Buffer.from(bytes).toString('utf8')),
    () => undefined,
  );
