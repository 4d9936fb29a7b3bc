import { TransientError } from '../../core/errors.ts';
import type { Offer } from '../../core/offer.ts';
import type { OfferList, OfferSource } from '../../core/ports.ts';

export class InMemoryOfferSource implements OfferSource {
  /** While true, prices cannot be had. */
  unreachable = false;
  offers: readonly Offer[];

  constructor(offers: readonly Offer[]) {
    this.offers = offers;
  }

  async list(): Promise<OfferList> {
    if (this.unreachable) throw new TransientError('the price list does not answer');
    const times = this.offers.map((offer) => offer.observedAt).sort();
    return { offers: this.offers, observedAt: times[0] ?? new Date(0).toISOString(), source: 'a list in memory' };
  }
}
