/** Where prices come from, for every function that speaks of them. */
import { CatalogueOfferSource } from '../adapters/catalogue/catalogue-offer-source.ts';
import type { OfferSource } from '../core/ports.ts';

export const offerSource = (): OfferSource => new CatalogueOfferSource();
