import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../core/errors.ts';
import type { ApiKey } from '../../core/ports.ts';
import { at, ManualClock, START } from '../../test/factories/manual-clock.ts';
import { offerFactory } from '../../test/factories/offer.ts';
import { InMemoryOfferSource } from '../../test/fakes/in-memory-offer-source.ts';
import { priceRoutes } from './prices.ts';

const caller: ApiKey = { keyId: 'key-1', name: 'laptop', createdAt: START };
const offers = [
  offerFactory(),
  offerFactory({ market: 'on-demand', hourlyPriceUsd: 0.05 }),
  offerFactory({ instanceType: 'c7i.large', architecture: 'x86_64', vcpus: 2, memoryMiB: 4_096, hourlyPriceUsd: 0.04 }),
];

async function ask(query: Record<string, string> = {}, offered = offers) {
  const clock = new ManualClock();
  clock.advance(3 * 86_400);
  const route = priceRoutes({ offers: new InMemoryOfferSource(offered), clock })['GET /v1/prices'];
  if (!route) throw new Error('there is no route');
  const { body } = await route({ query, params: {}, headers: {}, body: undefined }, caller);
  return JSON.parse(JSON.stringify(body));
}
const types = (body: { prices: { instanceType: string; market: string }[] }): string[] =>
  body.prices.map(({ instanceType, market }) => `${instanceType} ${market}`);

describe('GET /v1/prices', () => {
  it('lists machines by what a task costs, with the age and source of the prices', async () => {
    const body = await ask();

    expect(types(body)).toEqual(['c7g.medium spot', 'c7i.large spot', 'c7g.medium on-demand']);
    expect(body.prices[0]).toMatchObject({
      slots: 1,
      vcpus: 1,
      reason: expect.stringContaining('finishes a task for'),
    });
    expect(body).toMatchObject({ source: 'a list in memory', observedAt: START, ageDays: 3, refused: {} });
  });

  it('are those of the provider that is asked about, and as old as they are, whatever others offer', async () => {
    const far = offerFactory({ provider: 'gcp', instanceType: 't2d-standard-1', zone: null, observedAt: at(86_400) });

    const body = await ask({ provider: 'gcp' }, [...offers, far]);

    expect(types(body)).toEqual(['t2d-standard-1 spot']);
    expect(body).toMatchObject({ observedAt: at(86_400), ageDays: 2, refused: {} });
  });

  it('goes by what is asked for, and counts why the rest is not in it', async () => {
    const body = await ask({ vcpu: '2', memoryMiB: '1000', market: 'spot', architecture: 'x86_64', limit: '1' });

    expect(types(body)).toEqual(['c7i.large spot']);
    expect(body.refused).toEqual({ 'its architecture is arm64, not x86_64': 2 });
  });

  it('refuses what it does not know', async () => {
    await expect(ask({ vcpus: '2' })).rejects.toThrow(ValidationError);
    await expect(ask({ vcpu: '0' })).rejects.toThrow(ValidationError);
  });
});
