/** Where prices come from, for every function that speaks of them: what the scaler read last, or the shipped catalogue. */
import { KeptOfferSource } from '../adapters/aws/kept-offers.ts';
import { CatalogueOfferSource } from '../adapters/catalogue/catalogue-offer-source.ts';
import type { BlobStore, OfferSource } from '../core/ports.ts';

export const offerSource = (blobs: Pick<BlobStore, 'get'>): OfferSource =>
  new KeptOfferSource({ blobs, otherwise: new CatalogueOfferSource(), clock: { now: () => new Date() } });
