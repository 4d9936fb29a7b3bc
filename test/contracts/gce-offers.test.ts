/** What Compute Engine rents out: types of the region's zones, prices by series, their age, and what is done without them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GcpCatalogueOfferSource } from '../../adapters/catalogue/gcp-catalogue-offer-source.ts';
import { GceOfferSource } from '../../adapters/gcp/gce-offer-source.ts';
import { KeptOfferSource } from '../../adapters/kept-offers.ts';
import { TransientError } from '../../core/errors.ts';
import { ComputeServer, type Sku } from '../clouds/gcp/compute-server.ts';
import { gcpCloud } from '../clouds/gcp/gcp-cloud.ts';
import { at, ManualClock } from '../factories/manual-clock.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';
import { describeOfferSourceContract } from './offer-source.ts';

const SPOT_FIXED = 0.0025 + (10 * 0.1) / 730;
const FIXED = 0.005 + (10 * 0.1) / 730;

/** As the catalog has it ("Method: services.skus.list"). */
const sku = (description: string, usd: number, overrides: Partial<Sku> & { usageType?: string } = {}): Sku => ({
  description,
  category: {
    resourceFamily: 'Compute',
    resourceGroup: 'CPU',
    usageType: overrides.usageType ?? (description.includes('Spot Preemptible') ? 'Preemptible' : 'OnDemand'),
  },
  serviceRegions: overrides.serviceRegions ?? ['europe-west4'],
  pricingInfo: [
    {
      pricingExpression: {
        usageUnit: / Ram /.test(description) ? 'GiBy.h' : 'h',
        tieredRates: [
          {
            startUsageAmount: 0,
            unitPrice: { currencyCode: 'USD', units: String(Math.floor(usd)), nanos: Math.round((usd % 1) * 1e9) },
          },
        ],
      },
    },
  ],
});

let compute: ComputeServer;
let clock: ManualClock;
let blobs: InMemoryBlobStore;
let source: () => GceOfferSource;

async function start(): Promise<void> {
  compute = new ComputeServer();
  clock = new ManualClock();
  blobs = new InMemoryBlobStore();
  const cloud = gcpCloud(await compute.start());
  compute.types.push(
    { name: 't2d-standard-4', guestCpus: 4, memoryMb: 16_384, architecture: 'X86_64' },
    { name: 'c4a-standard-1', guestCpus: 1, memoryMb: 4_096, architecture: 'ARM64' },
    { name: 'c2-standard-4', guestCpus: 4, memoryMb: 16_384 },
    {
      name: 'g2-standard-4',
      guestCpus: 4,
      memoryMb: 16_384,
      accelerators: [{ guestAcceleratorType: 'nvidia-l4', guestAcceleratorCount: 1 }],
    },
    { name: 'e2-medium', guestCpus: 2, memoryMb: 4_096, isSharedCpu: true },
    { name: 'c4a-standard-4-lssd', guestCpus: 4, memoryMb: 16_384, architecture: 'ARM64' },
    { name: 'x9-unheard-4', guestCpus: 4, memoryMb: 16_384 },
  );
  compute.skus.push(
    sku('Spot Preemptible T2D AMD Instance Core running in Netherlands', 0.01),
    sku('Spot Preemptible T2D AMD Instance Ram running in Netherlands', 0.001),
    sku('T2D AMD Instance Core running in Netherlands', 0.03),
    sku('T2D AMD Instance Ram running in Netherlands', 0.004),
    sku('T2D AMD Instance Core running in Iowa', 9, { serviceRegions: ['us-central1'] }),
    sku('T2D AMD Custom Instance Core running in Netherlands', 9),
    sku('Commitment v1: T2D AMD Cpu in Netherlands for 1 Year', 9, { usageType: 'Commit1Yr' }),
    sku('C4A Arm Instance Core running in Netherlands', 0.04),
    sku('C4A Arm Instance Ram running in Netherlands', 0.005),
    sku('Spot Preemptible Compute optimized Core running in Netherlands', 0.02),
    sku('Spot Preemptible Compute optimized Ram running in Netherlands', 0.002),
    sku('Spot Preemptible G2 Instance Core running in Netherlands', 0.012),
    sku('Spot Preemptible G2 Instance Ram running in Netherlands', 0.0015),
    sku('G2 Instance Core running in Netherlands', 0.05),
    sku('G2 Instance Ram running in Netherlands', 0.006),
    sku('Nvidia L4 GPU attached to Spot Preemptible VMs running in Netherlands', 0.25),
  );
  source = () => new GceOfferSource({ cloud, token: null, blobs, clock, tries: 1 });
}

beforeEach(start);
afterEach(() => compute.stop());

describeOfferSourceContract('Compute Engine', async () => source());
describeOfferSourceContract('the shipped catalogue of Google Cloud', async () => new GcpCatalogueOfferSource());

describe('what Compute Engine rents out', () => {
  it('is an offer of the region for each type and market that has a price, address and disk included', async () => {
    const { offers } = await source().list();

    expect(offers.map((each) => [each.instanceType, each.market, each.zone, each.hourlyPriceUsd])).toEqual([
      ['t2d-standard-4', 'spot', null, expect.closeTo(0.056 + SPOT_FIXED, 9)],
      ['t2d-standard-4', 'on-demand', null, expect.closeTo(0.184 + FIXED, 9)],
      ['c4a-standard-1', 'on-demand', null, expect.closeTo(0.06 + FIXED, 9)],
      ['c2-standard-4', 'spot', null, expect.closeTo(0.112 + SPOT_FIXED, 9)],
      ['g2-standard-4', 'spot', null, expect.closeTo(0.322 + SPOT_FIXED, 9)],
    ]);
    expect(offers.find((each) => each.instanceType === 'c4a-standard-1')).toMatchObject({
      provider: 'gcp',
      region: 'europe-west4',
      architecture: 'arm64',
      vcpus: 1,
      memoryMiB: 4_096,
      gpus: null,
    });
    expect(offers.at(-1)?.gpus).toEqual({ count: 1, model: 'nvidia-l4' });
  });

  it('is asked for once by thirty fleets, a page of 5,000 SKUs at a time, and once a day', async () => {
    for (let n = 0; n < 11_000; n += 1) compute.skus.unshift(sku(`Something else ${n} running in Netherlands`, 1));
    const offers = source();
    await Promise.all(Array.from({ length: 30 }, () => offers.list()));
    clock.advance(23 * 3_600);
    await offers.list();
    const once = [compute.countOf('GET', '/skus'), compute.countOf('GET', '/machineTypes')];
    clock.advance(3_601);
    const later = await offers.list();

    expect(once).toEqual([3, 3]);
    expect(compute.countOf('GET', '/skus')).toBe(6);
    expect(later.observedAt).toBe(at(24 * 3_600 + 1));
    expect(compute.requests.filter(({ path }) => path.endsWith('/skus')).every(({ query }) => query['fields'])).toBe(
      true,
    );
  });

  it('is taken from the bucket by the next process, which asks for nothing', async () => {
    await source().list();
    const calls = compute.requests.length;
    clock.advance(3_600);

    const { observedAt, source: told } = await source().list();

    expect(compute.requests).toHaveLength(calls);
    expect(observedAt).toBe(at(0));
    expect(told).toBe(`Compute Engine in europe-west4: prices of ${at(0)}`);
  });

  it('is as it was before when it cannot be read again, says how old that is, and does not ask all the time', async () => {
    const offers = source();
    await offers.list();
    for (const path of ['/skus', '/europe-west4', '/skus', '/europe-west4']) {
      compute.refusals.push({ path, status: 403, reason: 'forbidden' });
    }
    clock.advance(2 * 86_400);

    const { offers: listed, observedAt } = await offers.list();
    const calls = compute.requests.length;
    clock.advance(60);
    await offers.list();

    expect(listed).toHaveLength(5);
    expect(observedAt).toBe(at(0));
    expect(compute.requests).toHaveLength(calls);
  });

  it('has the prices of the shipped catalogue, with their date, while the catalog of Google may not be read', async () => {
    compute.refusals.push({ path: '/skus', status: 403, reason: 'accessNotConfigured' });
    const offers = source();

    const { offers: listed, observedAt, source: told } = await offers.list();
    clock.advance(601);
    const later = await offers.list();

    expect(listed.map((each) => [each.instanceType, each.market, each.region])).toEqual([
      ['t2d-standard-4', 'spot', 'europe-west4'],
      ['t2d-standard-4', 'on-demand', 'europe-west4'],
    ]);
    expect(observedAt).toBe('2025-11-01T00:00:00.000Z');
    expect(told).toContain('prices of 2025-11-01');
    expect(later.observedAt).toBe(at(601));
  });

  it('is unknown, for now, when nothing can be read and nothing was before', async () => {
    compute.refusals.push({ path: '/europe-west4', status: 503, reason: 'backendError' });

    await expect(source().list()).rejects.toThrow(TransientError);
  });

  it('is known all the same when the bucket does not take it', async () => {
    blobs.put = () => Promise.reject(new TransientError('it does not answer'));

    expect((await source().list()).offers).toHaveLength(5);
  });

  it('is kept for those who only want to know, apart from what other clouds offer', async () => {
    const told = await source().list();
    const kept = new KeptOfferSource({ blobs, otherwise: new GcpCatalogueOfferSource(), clock, provider: 'gcp' });

    expect(await kept.list()).toEqual(told);
  });
});
