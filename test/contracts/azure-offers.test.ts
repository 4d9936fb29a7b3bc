/** What Azure rents out: sizes, prices of both markets, their age, and what is done when some of it cannot be read. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AzureOfferSource } from '../../adapters/azure/azure-offer-source.ts';
import { AzureCatalogueOfferSource } from '../../adapters/catalogue/azure-catalogue-offer-source.ts';
import { KeptOfferSource } from '../../adapters/kept-offers.ts';
import { TransientError } from '../../core/errors.ts';
import { ArmServer } from '../clouds/azure/arm-server.ts';
import { azureCloudFactory } from '../clouds/azure/azure-cloud.ts';
import { at, ManualClock } from '../factories/manual-clock.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';
import { describeOfferSourceContract } from './offer-source.ts';

/** A public address, and the smallest step of a disk. */
const FIXED = 0.005 + 2.4 / 730;
const X64 = {
  vCPUs: '2',
  MemoryGB: '8',
  CpuArchitectureType: 'x64',
  LowPriorityCapable: 'True',
  HyperVGenerations: 'V1,V2',
};
const ARM = { ...X64, CpuArchitectureType: 'Arm64', HyperVGenerations: 'V2' };

let arm: ArmServer;
let clock: ManualClock;
let blobs: InMemoryBlobStore;
let source: () => AzureOfferSource;

async function start(): Promise<void> {
  const plain = azureCloudFactory();
  arm = new ArmServer({ ...plain, token: 'a-token' });
  const url = await arm.start();
  clock = new ManualClock();
  blobs = new InMemoryBlobStore();
  const token = async (): Promise<string> => 'a-token';
  const cloud = { ...plain, endpoints: { management: url, prices: url } };
  source = () => new AzureOfferSource({ cloud, token, blobs, clock });
  arm.sizes.push(
    { name: 'Standard_D2s_v5', capabilities: X64 },
    { name: 'Standard_D2ps_v5', capabilities: ARM },
    { name: 'Standard_NC4as_T4_v3', capabilities: { ...X64, vCPUs: '4', MemoryGB: '28', GPUs: '1' } },
    { name: 'Standard_E4-2s_v5', capabilities: { ...X64, vCPUs: '4', vCPUsAvailable: '2', MemoryGB: '32' } },
    { name: 'Standard_M8ms', capabilities: { ...X64, LowPriorityCapable: 'False' } },
    // None of these is to be had, or to be booted.
    { name: 'Standard_B2s', capabilities: X64 },
    { name: 'Standard_D2s_v4', capabilities: X64, restricted: 'NotAvailableForSubscription' },
    { name: 'Standard_D2s_v6', capabilities: { ...X64, DiskControllerTypes: 'NVMe' } },
    { name: 'Standard_A2_v2', capabilities: { ...X64, HyperVGenerations: 'V1' } },
    { name: 'Standard_DC2as_v5', capabilities: { ...X64, ConfidentialComputingType: 'SNP' } },
    { name: 'Premium_LRS', resourceType: 'disks', capabilities: {} },
  );
  const price = (armSkuName: string, skuName: string, retailPrice: number, productName = 'Virtual Machines Series') =>
    arm.prices.push({ armSkuName, skuName, retailPrice, productName });
  price('Standard_D2s_v5', 'D2s v5', 0.096);
  price('Standard_D2s_v5', 'D2s v5 Spot', 0.0113);
  price('Standard_D2s_v5', 'D2s v5 Low Priority', 0.0001);
  price('Standard_D2s_v5', 'D2s v5 Spot', 0.05, 'Virtual Machines Dsv5 Series Windows');
  price('Standard_D2ps_v5', 'D2ps v5 Spot', 0.0092);
  price('Standard_NC4as_T4_v3', 'NC4as T4 v3', 0.526);
  price('Standard_E4-2s_v5', 'E4-2s v5', 0.252);
  price('Standard_M8ms', 'M8ms Spot', 0.2);
  for (const size of ['B2s', 'D2s_v4', 'D2s_v6', 'A2_v2', 'DC2as_v5']) price(`Standard_${size}`, size, 0.01);
  arm.prices.push({
    armSkuName: 'Standard_D2s_v5',
    skuName: 'D2s v5',
    productName: 'x',
    retailPrice: 500,
    type: 'Reservation',
  });
  arm.prices.push({
    armSkuName: 'Standard_D2s_v5',
    skuName: 'D2s v5',
    productName: 'x',
    retailPrice: 60,
    unitOfMeasure: '1/Month',
  });
  arm.pageSize = 4;
}

beforeEach(start);
afterEach(() => arm.stop());

describeOfferSourceContract('Azure', async () => source());
describeOfferSourceContract('the shipped catalogue of Azure', async () => new AzureCatalogueOfferSource());

describe('what Azure rents out', () => {
  it('is an offer for each size and market that can be had and booted, address and disk included', async () => {
    const { offers } = await source().list();

    expect(offers.map((each) => [each.instanceType, each.market, each.hourlyPriceUsd]).sort()).toEqual([
      ['Standard_D2ps_v5', 'spot', expect.closeTo(0.0092 + FIXED, 9)],
      ['Standard_D2s_v5', 'on-demand', expect.closeTo(0.096 + FIXED, 9)],
      ['Standard_D2s_v5', 'spot', expect.closeTo(0.0113 + FIXED, 9)],
      ['Standard_E4-2s_v5', 'on-demand', expect.closeTo(0.252 + FIXED, 9)],
      ['Standard_NC4as_T4_v3', 'on-demand', expect.closeTo(0.526 + FIXED, 9)],
    ]);
  });

  it('says what each size has: cores that may be used, memory, architecture, GPUs', async () => {
    const { offers } = await source().list();

    const of = (name: string) => offers.find((each) => each.instanceType === name);
    expect(of('Standard_D2ps_v5')).toMatchObject({ architecture: 'arm64', vcpus: 2, memoryMiB: 8_192, gpus: null });
    expect(of('Standard_NC4as_T4_v3')).toMatchObject({ architecture: 'x86_64', gpus: { count: 1, model: 'T4' } });
    expect(of('Standard_E4-2s_v5')).toMatchObject({ vcpus: 2, memoryMiB: 32_768 });
  });

  it('is read every six hours, by one of all who ask, and kept for the next process', async () => {
    const first = source();
    await Promise.all(Array.from({ length: 30 }, () => first.list()));
    const pages = arm.countOf('prices');
    clock.advance(5 * 3_600);
    const later = await source().list();
    const stillPages = arm.countOf('prices');
    clock.advance(2 * 3_600);
    const newer = await first.list();

    expect([stillPages, arm.countOf('prices'), arm.countOf('skus')]).toEqual([pages, 2 * pages, 2]);
    expect([later.observedAt, newer.observedAt]).toEqual([at(0), at(7 * 3_600)]);
  });

  it('is read whole, whatever is on how many pages, and where they end', async () => {
    for (let pageSize = 1; pageSize <= 15; pageSize += 1) {
      arm.pageSize = pageSize;
      clock.advance(86_400);

      expect((await source().list()).offers, `pages of ${pageSize}`).toHaveLength(5);
    }
  });

  it('has the price that is in force where there is an older one', async () => {
    const old = { armSkuName: 'Standard_D2ps_v5', skuName: 'D2ps v5 Spot', productName: 'x' };
    arm.prices.push({ ...old, retailPrice: 0.5, effectiveStartDate: '2024-01-01T00:00:00Z' });
    arm.prices.push({ ...old, retailPrice: 0.02, effectiveStartDate: '2026-02-01T00:00:00Z' });
    arm.prices.push({ ...old, retailPrice: 0.6, effectiveStartDate: '2023-01-01T00:00:00Z' });

    const { offers } = await source().list();

    expect(offers.find((each) => each.instanceType === 'Standard_D2ps_v5')?.hourlyPriceUsd).toBeCloseTo(
      0.02 + FIXED,
      9,
    );
  });

  it('is as it was before when it cannot be read again, and says how old that is', async () => {
    const offers = source();
    await offers.list();
    clock.advance(86_400);
    arm.refusals.push({ name: 'skus', code: 'AuthorizationFailed', status: 403 });

    const { observedAt, source: told } = await offers.list();
    await offers.list();

    expect(observedAt).toBe(at(0));
    expect(told).toBe(`Azure in westeurope: retail prices of ${at(0)}`);
    expect(arm.countOf('skus')).toBe(2);
  });

  it('has the prices of the shipped catalogue while the price list cannot be read and nothing was before', async () => {
    arm.refusals.push({ name: 'prices', code: 'BadRequest', status: 400 });
    const offers = source();

    const { offers: listed, observedAt, source: told } = await offers.list();
    clock.advance(601);
    const later = await offers.list();

    expect(listed.map((each) => [each.instanceType, each.market])).toEqual([
      ['Standard_D2s_v5', 'spot'],
      ['Standard_D2s_v5', 'on-demand'],
      ['Standard_D2ps_v5', 'spot'],
      ['Standard_D2ps_v5', 'on-demand'],
    ]);
    expect([observedAt, told]).toEqual(['2023-12-18T14:34:50.000Z', expect.stringContaining('the shipped catalogue')]);
    expect(later.observedAt).toBe(at(601));
  });

  it('is unknown, for now, when what there is to rent cannot be read and nothing was before', async () => {
    for (let n = 0; n < 2; n += 1) arm.refusals.push({ name: 'skus', code: 'TooManyRequests', status: 429 });

    await expect(source().list()).rejects.toThrow(TransientError);
  });

  it('is told to those who only want to know', async () => {
    const told = await source().list();

    const kept = new KeptOfferSource({ blobs, otherwise: new AzureCatalogueOfferSource(), clock, provider: 'azure' });
    expect(await kept.list()).toEqual(told);
  });

  it('is the shipped catalogue until then, in which a spot machine costs what it costs at most', async () => {
    const kept = new KeptOfferSource({ blobs, otherwise: new AzureCatalogueOfferSource(), clock, provider: 'azure' });

    const { offers, source: told } = await kept.list();

    expect(told).toContain('at most');
    const d2 = offers.filter((each) => each.instanceType === 'Standard_D2s_v5');
    expect(d2.map((each) => each.hourlyPriceUsd)).toEqual([0.096 + FIXED, 0.096 + FIXED]);
  });
});
