import { describe, expect, it } from 'vitest';
import { keepOffers } from '../adapters/kept-offers.ts';
import { gcpCloud } from '../test/clouds/gcp/gcp-cloud.ts';
import { offerFactory } from '../test/factories/offer.ts';
import { InMemoryBlobStore } from '../test/fakes/in-memory-blob-store.ts';
import { offerSource } from './offer-source.ts';

const gcp = gcpCloud('http://127.0.0.1:1');

describe('the prices of a deployment', () => {
  it('are those of AWS where no other cloud is declared', async () => {
    const { offers } = await offerSource(new InMemoryBlobStore(), {}).list();

    expect(new Set(offers.map(({ provider }) => provider))).toEqual(new Set(['aws']));
  });

  it('are of every declared cloud: what was read last, or the shipped catalogue, as old as the oldest', async () => {
    const blobs = new InMemoryBlobStore();
    const observedAt = '2024-01-01T00:00:00.000Z';
    const read = offerFactory({ provider: 'gcp', instanceType: 'c4a-standard-1', zone: null });
    await keepOffers(blobs, { offers: [read], observedAt, source: 'Compute Engine' }, 'gcp');

    const list = await offerSource(blobs, { gcp }).list();

    expect(list.offers.filter(({ provider }) => provider === 'gcp')).toEqual([read]);
    expect(list.offers.some(({ provider }) => provider === 'aws')).toBe(true);
    expect(list.observedAt).toBe(observedAt);
    expect(list.source).toMatch(/^the shipped catalogue: EC2 .*; Compute Engine$/);
  });
});
