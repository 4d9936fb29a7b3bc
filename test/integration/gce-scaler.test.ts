/** The real scaler, wired as it is for a fleet whose cloud is declared, before an imitation of Compute Engine. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GceInstanceProvider } from '../../adapters/gcp/gce-instance-provider.ts';
import { gcpAddresses } from '../../core/clouds.ts';
import type { InstanceProvider } from '../../core/ports.ts';
import { gcpMachines } from '../../functions/scaler/gcp-machines.ts';
import type { RentedMachines } from '../../functions/scaler/providers.ts';
import { scale } from '../../functions/scaler/scale.ts';
import { ScalerWorld, SETTINGS } from '../../functions/scaler/testing/scaler-world.ts';
import { ComputeServer } from '../clouds/gcp/compute-server.ts';
import { gcpCloud } from '../clouds/gcp/gcp-cloud.ts';
import { START } from '../factories/manual-clock.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';

const STAGE = 'test';
const FLEETS = { far: { provider: 'gcp', maxInstances: 5, slot: { vcpu: 1, memoryMiB: 1_024, diskGiB: 5 } } };
const SHA256 = 'a'.repeat(64);

let compute: ComputeServer;
let cloud: ReturnType<typeof gcpCloud>;
let world: ScalerWorld;
let rented: RentedMachines;
/** Whose tasks were taken back. */
const gone: string[] = [];

beforeEach(async () => {
  gone.length = 0;
  compute = new ComputeServer();
  compute.types.push({ name: 't2d-standard-1', guestCpus: 1, memoryMb: 4_096, architecture: 'X86_64' });
  // No price is to be had: those that are shipped do.
  compute.refusals.push({ path: '/skus', status: 403, reason: 'forbidden' });
  cloud = gcpCloud(await compute.start());
  world = new ScalerWorld({ fleets: FLEETS, seconds: Math.floor((Date.now() - Date.parse(START)) / 1_000) });
  rented = gcpMachines(cloud, {
    stage: STAGE,
    clock: world.clock,
    blobs: new InMemoryBlobStore(),
    bootstrapSha256: SHA256,
  });
});
afterEach(() => compute.stop());

async function tick(provider: InstanceProvider = rented.provider) {
  const ports = {
    ...world.ports(),
    providerOf: () => provider,
    offersOf: () => rented.offers,
    takeBackTasks: async (machines: readonly { readonly instanceId: string }[]) => {
      gone.push(...machines.map(({ instanceId }) => instanceId));
      return 0;
    },
  };
  const settings = { ...SETTINGS, agentUrl: '', agentSha256: SHA256, clouds: { gcp: cloud } };
  const [scaled] = (await scale(world.fleets, ports, settings)).fleets;
  expect(world.failures).toEqual([]);
  return scaled;
}
const rows = async () => (await world.store.read('far')).instances;

describe('the scaler on Compute Engine', () => {
  it('launches machines for the work that is there, once, and knows what they are', async () => {
    await world.work(3, { fleet: 'far', expectedSeconds: 3_600 });

    const first = await tick();
    world.clock.advance(60);
    const second = await tick();

    expect([first?.launched, second?.launched]).toEqual([3, 0]);
    expect((await rows()).map(({ instanceId }) => instanceId).sort()).toEqual([...compute.machines.keys()].sort());
    for (const row of await rows()) {
      expect(row).toMatchObject({ provider: 'gcp', state: 'BOOTING', instanceType: 't2d-standard-1', slots: 1 });
      expect(row.hourlyPriceUsd).toBeGreaterThan(0.008);
    }
  });

  it('tells them where in their cloud everything is, and nothing of AWS but the region', async () => {
    await world.work(1, { fleet: 'far', expectedSeconds: 3_600 });

    await tick();

    const [machine] = compute.machines.values();
    const script = machine?.request.instanceProperties.metadata.items.find(
      ({ key }) => key === 'startup-script',
    )?.value;
    const { bucketUrl, statusQueueUrl } = gcpAddresses(cloud, STAGE);
    expect(script).toContain("export SHOAL_SERVICES='gcp'");
    expect(script).toContain(`export SHOAL_BUCKET='${bucketUrl}'`);
    expect(script).toContain(`export SHOAL_STATUS_QUEUE_URL='${statusQueueUrl}'`);
    expect(script).toContain(`export SHOAL_AGENT_URL='${bucketUrl}/artifacts/${SHA256}/agent.mjs'`);
    expect(script).toContain(`url='${bucketUrl}/artifacts/${SHA256}/bootstrap.sh' sha256='${SHA256}'`);
    expect(script).not.toMatch(/amazonaws|sqs|s3:/);
  });

  it('takes back what a preempted machine had, and counts it as interrupted, not as one that does not boot', async () => {
    await world.work(3, { fleet: 'far', expectedSeconds: 3_600 });
    await tick();
    const [taken = '', ready = ''] = compute.machines.keys();
    compute.preempt(taken);
    const at = world.clock.now().toISOString();
    await world.store.updateInstance('far', ready, { state: 'READY', reason: null, at });
    world.clock.advance(60);

    const scaled = await tick();

    expect(gone).toContain(taken);
    expect((await world.store.findMany(['far'], [taken])).get(taken)).toMatchObject({
      state: 'INTERRUPTED',
      stateReason: expect.stringContaining('preempted'),
    });
    expect((await world.store.read('far')).boots.failedInARow).toBe(0);
    expect(scaled?.launched).toBe(1);
  });

  it('deletes a machine that has switched itself off, for its disk costs on', async () => {
    const job = await world.work(1, { fleet: 'far', expectedSeconds: 3_600 });
    await tick();
    const [done = ''] = compute.machines.keys();
    await world.store.updateInstance('far', done, {
      state: 'DRAINING',
      reason: 'idle',
      at: world.clock.now().toISOString(),
    });
    world.tables.jobs.delete(job.jobId);
    compute.switchOff(done);
    // A tick that looks where nothing should be.
    world.clock.advance(600 - ((world.clock.now().getTime() / 1_000) % 600));

    await tick();

    expect(compute.countOf('DELETE', done.split('.')[1] ?? '')).toBe(1);
    expect((await world.store.findMany(['far'], [done])).get(done)).toMatchObject({
      state: 'TERMINATED',
      stateReason: 'idle',
    });
  });

  it('counts a launch that goes on for long as machines, and adopts them when they are there (lesson 25)', async () => {
    compute.slowness = Number.POSITIVE_INFINITY;
    const options = { cloud, stage: STAGE, token: null, startupScript: () => '', launchWaitSeconds: 0.1 };
    const impatient = new GceInstanceProvider(options);
    await world.work(3, { fleet: 'far', expectedSeconds: 3_600 });

    await expect(tick(impatient)).rejects.toThrow();
    const failed = world.failures.splice(0);
    world.clock.advance(30);
    const next = await tick(impatient);

    expect(failed).toMatchObject([['far', { message: 'Compute Engine is still launching' }]]);
    expect(next?.launched ?? 0).toBe(0);
    expect(compute.machines.size).toBe(3);
    expect((await rows()).map(({ intentId }) => intentId)).toEqual(['intent-1', 'intent-1', 'intent-1']);
  });
});
