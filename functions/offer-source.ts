/**
 * Where prices come from, for every function that speaks of them: of each cloud of this deployment, what the scaler read
 * last, or the shipped catalogue.
 */

import { AzureCatalogueOfferSource } from '../adapters/catalogue/azure-catalogue-offer-source.ts';
import { CatalogueOfferSource } from '../adapters/catalogue/catalogue-offer-source.ts';
import { GcpCatalogueOfferSource } from '../adapters/catalogue/gcp-catalogue-offer-source.ts';
import { KeptOfferSource } from '../adapters/kept-offers.ts';
import type { Clouds } from '../core/clouds.ts';
import type { BlobStore, OfferList, OfferSource } from '../core/ports.ts';

const clock = { now: () => new Date() };

export function offerSource(blobs: Pick<BlobStore, 'get'>, { gcp, azure }: Clouds): OfferSource {
  const kept = (provider: string, otherwise: OfferSource): OfferSource =>
    new KeptOfferSource({ blobs, otherwise, clock, provider });
  return allOf([
    kept('aws', new CatalogueOfferSource()),
    ...(gcp ? [kept('gcp', new GcpCatalogueOfferSource())] : []),
    ...(azure ? [kept('azure', new AzureCatalogueOfferSource())] : []),
  ]);
}

/** What all of them offer; as old as the oldest. */
const allOf = (sources: readonly OfferSource[]): OfferSource => ({
  list: async (): Promise<OfferList> => {
    const lists = await Promise.all(sources.map((source) => source.list()));
    return {
      offers: lists.flatMap(({ offers }) => offers),
      observedAt: lists.map(({ observedAt }) => observedAt).sort()[0] ?? clock.now().toISOString(),
      source: lists.map(({ source }) => source).join('; '),
    };
  },
});
