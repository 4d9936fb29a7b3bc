/** What EC2 rents out: types, prices of both markets, their age, and what is done when some of it cannot be read. */
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEc2Client, createPricingClient } from '../../adapters/aws/ec2-clients.ts';
import { Ec2OfferSource } from '../../adapters/aws/ec2-offer-source.ts';
import { CatalogueOfferSource } from '../../adapters/catalogue/catalogue-offer-source.ts';
import { KeptOfferSource } from '../../adapters/kept-offers.ts';
import { TransientError } from '../../core/errors.ts';
import { at, ManualClock } from '../factories/manual-clock.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';
import { Ec2Service } from './ec2-service.ts';
import { type RunningServer, serve } from './git-http-server.ts';
import { describeOfferSourceContract } from './offer-source.ts';

const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
const FIXED = 0.005 + (8 * 0.08) / 730;

/** "GetProducts": pages of products, each of them JSON in a string. */
const product = (instanceType: string, usd: string): string =>
  JSON.stringify({
    product: { attributes: { instanceType, operatingSystem: 'Linux' } },
    terms: { OnDemand: { a: { priceDimensions: { b: { unit: 'Hrs', pricePerUnit: { USD: usd } } } } } },
  });
const PAGES = [
  { PriceList: [product('c7g.large', '0.0723'), '{"product": {}}'], NextToken: '1' },
  { PriceList: [product('g5.xlarge', '1.006'), product('c7g.large.reserved', '0.0000000000')] },
];

let ec2: Ec2Service;
let prices: RunningServer;
let asked: string[];
let pricesDown: boolean;
let clock: ManualClock;
let blobs: InMemoryBlobStore;
let source: () => Ec2OfferSource;

async function start(): Promise<void> {
  ec2 = new Ec2Service();
  asked = [];
  pricesDown = false;
  clock = new ManualClock();
  blobs = new InMemoryBlobStore();
  const endpoint = await ec2.start();
  prices = await serve(async (request, response) => {
    const body = JSON.parse(await text(request));
    asked.push(body.NextToken ?? 'first');
    response.writeHead(pricesDown ? 400 : 200, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify(pricesDown ? { __type: 'AccessDeniedException' } : PAGES[Number(body.NextToken ?? 0)]));
  });
  ec2.types.push(
    { name: 'c7g.large', architecture: 'arm64', vcpus: 2, memoryMiB: 4_096 },
    { name: 'c7i.large', architecture: 'x86_64', vcpus: 2, memoryMiB: 4_096 },
    { name: 'g5.xlarge', architecture: 'x86_64', vcpus: 4, memoryMiB: 16_384, gpu: { count: 1, model: 'A10G' } },
    { name: 'mac2.metal', architecture: 'arm64_mac', vcpus: 8, memoryMiB: 16_384 },
  );
  ec2.spotPrices.push(
    { type: 'c7g.large', zone: 'us-east-1a', usd: '0.0301', at: at(0) },
    { type: 'c7g.large', zone: 'us-east-1a', usd: '0.0310', at: at(5) },
    { type: 'c7g.large', zone: 'us-east-1b', usd: '0.0290', at: at(0) },
    { type: 'unheard.of', zone: 'us-east-1b', usd: '0.0001', at: at(0) },
  );
  const options = { region: 'us-east-1', credentials, maxAttempts: 1 };
  const clients = {
    ec2: createEc2Client({ ...options, endpoint }),
    pricing: createPricingClient({ ...options, endpoint: prices.url }),
  };
  source = () =>
    new Ec2OfferSource({ ...clients, blobs, region: 'us-east-1', subnetIds: ['subnet-a', 'subnet-b'], clock });
}
async function stop(): Promise<void> {
  await ec2.stop();
  await prices.stop();
}

beforeEach(start);
afterEach(stop);

describeOfferSourceContract('EC2', async () => source());

describe('what EC2 rents out', () => {
  it('is a spot offer for each type and zone, and an on-demand offer for each type, address and disk included', async () => {
    const { offers } = await source().list();

    expect(offers.map((each) => [each.instanceType, each.market, each.zone, each.hourlyPriceUsd])).toEqual([
      ['c7g.large', 'spot', 'us-east-1a', expect.closeTo(0.031 + FIXED, 9)],
      ['c7g.large', 'spot', 'us-east-1b', expect.closeTo(0.029 + FIXED, 9)],
      ['c7g.large', 'on-demand', null, expect.closeTo(0.0723 + FIXED, 9)],
      ['g5.xlarge', 'on-demand', null, expect.closeTo(1.006 + FIXED, 9)],
    ]);
    expect(offers.find((each) => each.instanceType === 'g5.xlarge')).toMatchObject({
      architecture: 'x86_64',
      vcpus: 4,
      memoryMiB: 16_384,
      gpus: { count: 1, model: 'A10G' },
    });
  });

  it('carries the placement score of each zone, by its name', async () => {
    const { offers } = await source().list();

    expect(offers.map((each) => [each.zone, each.capacityScore])).toEqual([
      ['us-east-1a', 9],
      ['us-east-1b', 3],
      [null, null],
      [null, null],
    ]);
  });

  it('is asked for once by thirty fleets, spot prices every ten minutes, the rest once a day', async () => {
    const offers = source();
    await Promise.all(Array.from({ length: 30 }, () => offers.list()));
    const once = [ec2.countOf('DescribeInstanceTypes'), ec2.countOf('DescribeSpotPriceHistory'), asked.length];
    clock.advance(601);
    const later = await offers.list();

    expect(once).toEqual([1, 1, 2]);
    expect([ec2.countOf('DescribeInstanceTypes'), ec2.countOf('DescribeSpotPriceHistory')]).toEqual([1, 2]);
    expect(later.observedAt).toBe(at(0));
  });

  it('is taken from the bucket by the next process, which asks for spot prices only', async () => {
    await source().list();
    clock.advance(3_600);

    const { observedAt, source: told } = await source().list();

    expect([ec2.countOf('DescribeInstanceTypes'), asked.length]).toEqual([1, 2]);
    expect(observedAt).toBe(at(0));
    expect(told).toBe(`EC2 in us-east-1: spot prices of ${at(3_600)}, on-demand prices of ${at(0)}`);
  });

  it('is as it was before when it cannot be read again, and says how old that is', async () => {
    const offers = source();
    await offers.list();
    for (const action of ['DescribeInstanceTypes', 'DescribeSpotPriceHistory']) {
      ec2.refusals.push({ action, code: 'RequestLimitExceeded', status: 503 });
    }
    clock.advance(2 * 86_400);

    const { offers: listed, observedAt } = await offers.list();

    expect(listed).toHaveLength(4);
    expect(observedAt).toBe(at(0));
  });

  it('has the on-demand prices of the shipped catalogue where the price list may not be read', async () => {
    pricesDown = true;

    const { offers, source: told } = await source().list();

    const onDemand = offers.filter((each) => each.market === 'on-demand').map((each) => each.instanceType);
    expect(onDemand).toEqual(['c7g.large', 'c7i.large']);
    expect(told).toContain('on-demand prices of 2026-07-01');
  });

  it('is known all the same when the bucket does not take it', async () => {
    const full = source();
    blobs.put = () => Promise.reject(new TransientError('it does not answer'));

    expect((await full.list()).offers).toHaveLength(4);
    clock.advance(601);
    expect((await full.list()).offers).toHaveLength(4);
    expect(ec2.countOf('DescribeInstanceTypes')).toBe(1);
  });

  it('is unknown, for now, when nothing can be read and nothing was before', async () => {
    ec2.refusals.push({ action: 'DescribeInstanceTypes', code: 'RequestLimitExceeded', status: 503 });

    await expect(source().list()).rejects.toThrow(TransientError);
  });
});

describe('what was kept of it', () => {
  const kept = () => new KeptOfferSource({ blobs, otherwise: new CatalogueOfferSource(), clock });

  it('is what those are told who only want to know, and asks EC2 for nothing', async () => {
    const told = await source().list();
    const calls = ec2.requests.length;

    expect(await kept().list()).toEqual(told);
    expect(ec2.requests).toHaveLength(calls);
  });

  it('is read again after ten minutes', async () => {
    const reader = kept();
    const before = await reader.list();
    await source().list();
    const soon = await reader.list();
    clock.advance(600);
    const later = await reader.list();

    expect([before.source, soon.source].every((text) => text.includes('the shipped catalogue'))).toBe(true);
    expect(later.source).toContain('EC2 in us-east-1');
  });

  it.each(['no JSON', '{"offers": []}', '{"offers": [{}], "observedAt": "x", "source": ""}'])(
    'is the shipped catalogue where it cannot be understood: %s',
    async (text) => {
      await blobs.put('cache/offers.json', text, 'application/json');

      expect((await kept().list()).source).toContain('the shipped catalogue');
    },
  );

  it('is the shipped catalogue where the bucket does not answer', async () => {
    const silent = { get: () => Promise.reject(new TransientError('it does not answer')) };
    const reader = new KeptOfferSource({ blobs: silent, otherwise: new CatalogueOfferSource(), clock });

    expect((await reader.list()).source).toContain('the shipped catalogue');
  });
});
