/** What only Compute Engine does: selections by rank, partial launches, stock-outs, quotas, preemptions, stopped machines. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GceInstanceProvider, type GceInstanceProviderOptions } from '../../adapters/gcp/gce-instance-provider.ts';
import { TransientError } from '../../core/errors.ts';
import type { LaunchRequest } from '../../core/launch.ts';
import { ComputeServer } from '../clouds/gcp/compute-server.ts';
import { gcpCloud } from '../clouds/gcp/gcp-cloud.ts';
import { choiceFactory } from '../factories/choice.ts';
import { at, START } from '../factories/manual-clock.ts';

const gce = { provider: 'gcp', region: 'europe-west4', zone: null, vcpus: 4, memoryMiB: 16_384, diskGiB: 10 };
const t2d = choiceFactory({ ...gce, instanceType: 't2d-standard-4', architecture: 'x86_64', hourlyPriceUsd: 0.04 });
const e2 = choiceFactory({ ...gce, instanceType: 'e2-standard-4', architecture: 'x86_64', hourlyPriceUsd: 0.041 });
const c4a = choiceFactory({ ...gce, instanceType: 'c4a-standard-4', architecture: 'arm64', hourlyPriceUsd: 0.05 });
const standard = choiceFactory({
  ...gce,
  instanceType: 't2d-standard-4',
  architecture: 'x86_64',
  market: 'on-demand',
  hourlyPriceUsd: 0.17,
});

const request = (overrides: Partial<LaunchRequest> = {}): LaunchRequest => ({
  fleet: 'default',
  intentId: '7d444840-9dc0-11d1-b245-5ffdce74fad2',
  count: 3,
  environment: { SHOAL_FLEET: 'default' },
  choices: [t2d, e2, c4a],
  expiresAt: at(7_200),
  ...overrides,
});

let compute: ComputeServer;
let url: string;
let provider: GceInstanceProvider;

const providerWith = (overrides: Partial<GceInstanceProviderOptions> = {}): GceInstanceProvider =>
  new GceInstanceProvider({
    cloud: gcpCloud(url),
    stage: 'test',
    token: null,
    startupScript: ({ SHOAL_FLEET }) => `#!/bin/bash\n# ${SHOAL_FLEET}`,
    tries: 1,
    now: () => new Date(START),
    ...overrides,
  });

beforeEach(async () => {
  compute = new ComputeServer();
  url = await compute.start();
  provider = providerWith();
});
afterEach(async () => {
  await compute.stop();
});

const inserted = () => compute.requests.find(({ path }) => path.endsWith('/bulkInsert'));
const wholeBody = () => [...compute.machines.values()][0]?.request;

describe('a launch on Compute Engine', () => {
  it('is one request over every type, the best ranked first, each with the disk and image that it takes', async () => {
    await provider.launch(request());

    expect(compute.countOf('POST', '/bulkInsert')).toBe(1);
    expect(wholeBody()).toMatchObject({ count: '3', minCount: '1', locationPolicy: { targetShape: 'ANY' } });
    expect(Object.values(wholeBody()?.instanceFlexibilityPolicy.instanceSelections ?? {})).toEqual([
      {
        rank: 1,
        machineTypes: ['t2d-standard-4', 'e2-standard-4'],
        disks: [
          {
            boot: true,
            autoDelete: true,
            initializeParams: {
              sourceImage: 'projects/debian-cloud/global/images/family/debian-12',
              diskSizeGb: '30',
              diskType: 'pd-balanced',
            },
          },
        ],
      },
      expect.objectContaining({
        rank: 3,
        machineTypes: ['c4a-standard-4'],
        disks: [
          expect.objectContaining({
            initializeParams: {
              sourceImage: 'projects/debian-cloud/global/images/family/debian-12-arm64',
              diskSizeGb: '30',
              diskType: 'hyperdisk-balanced',
            },
          }),
        ],
      }),
    ]);
  });

  it('makes Spot VMs that Compute Engine itself deletes: when it takes them back, and at the end of their lifetime', async () => {
    await provider.launch(request());

    expect(wholeBody()?.instanceProperties.scheduling).toEqual({
      provisioningModel: 'SPOT',
      automaticRestart: false,
      onHostMaintenance: 'TERMINATE',
      instanceTerminationAction: 'DELETE',
      maxRunDuration: { seconds: '7200' },
    });
  });

  it('names the market in one place, and asks for standard machines without a word of spot (lesson 32)', async () => {
    const { launched } = await provider.launch(request({ choices: [standard, t2d] }));

    expect(wholeBody()?.instanceProperties.scheduling).toMatchObject({ provisioningModel: 'STANDARD' });
    expect(launched.map((each) => [each.instanceType, each.hourlyPriceUsd])).toEqual(
      Array.from({ length: 3 }, () => ['t2d-standard-4', standard.hourlyPriceUsd]),
    );
  });

  it('labels machines with stage, fleet, intent and the end of their life, and lets nobody in', async () => {
    await provider.launch(request());

    const properties = wholeBody()?.instanceProperties;
    expect(properties?.labels).toEqual({
      shoal_stage: 'test',
      shoal_fleet: 'default',
      shoal_intent: '7d444840-9dc0-11d1-b245-5ffdce74fad2',
      shoal_expires: String(Date.parse(at(7_200)) / 1_000),
    });
    expect(properties?.serviceAccounts[0]?.email).toBe('shoal-worker-test@acme-batch.iam.gserviceaccount.com');
    expect(properties?.networkInterfaces[0]?.subnetwork).toBe(
      'projects/acme-batch/regions/europe-west4/subnetworks/shoal',
    );
    expect(properties?.metadata.items).toContainEqual({ key: 'block-project-ssh-keys', value: 'true' });
    expect(properties?.metadata.items).toContainEqual({ key: 'startup-script', value: '#!/bin/bash\n# default' });
    expect(properties?.shieldedInstanceConfig).toMatchObject({ enableVtpm: true, enableIntegrityMonitoring: true });
  });

  it('names machines so that the id says where they are, and a name whose fleet they were of', async () => {
    const { launched } = await provider.launch(request({ fleet: 'two-words' }));

    for (const { instanceId } of launched) {
      expect(instanceId).toMatch(/^europe-west4-[abc]\.shoal-test-two-words-[0-9a-f]{8}-\d{4}$/);
    }
  });

  it('that brings some of what was asked for says so, and which types had no more (lessons 20, 21)', async () => {
    for (const type of ['t2d-standard-4', 'e2-standard-4', 'c4a-standard-4']) compute.capacity.set(`${type}/spot`, 0);
    compute.capacity.set('e2-standard-4/spot', 1);

    const { launched, errors } = await provider.launch(request());

    expect(launched.map(({ instanceType }) => instanceType)).toEqual(['e2-standard-4']);
    expect(errors).toMatchObject([
      {
        code: 'ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS',
        kind: 'out-of-capacity',
        retryable: true,
        pools: ['t2d-standard-4/*/spot', 'e2-standard-4/*/spot', 'c4a-standard-4/*/spot'],
      },
    ]);
  });

  it('passes over a type that has none, and says nothing of it where another had enough', async () => {
    compute.capacity.set('t2d-standard-4/spot', 1);

    const { launched, errors } = await provider.launch(request());

    expect(launched.map(({ instanceType }) => instanceType)).toEqual([
      't2d-standard-4',
      'e2-standard-4',
      'e2-standard-4',
    ]);
    expect(errors).toEqual([]);
  });

  it.each([
    ['rateLimitExceeded', 403, 'throttled', true],
    ['quotaExceeded', 403, 'quota', true],
    ['insufficientCapacity', 503, 'out-of-capacity', true],
    ['invalid', 400, 'configuration', false],
    ['forbidden', 403, 'configuration', false],
    ['somethingNew', 400, 'unknown', true],
  ] as const)('that is refused with %s (%i) is an answer: %s', async (reason, status, kind, retryable) => {
    compute.refusals.push({ path: '/bulkInsert', status, reason });

    const { launched, errors } = await provider.launch(request());

    expect(launched).toEqual([]);
    expect(errors).toMatchObject([{ code: reason, kind, retryable }]);
    expect(errors[0]?.pools).toHaveLength(kind === 'out-of-capacity' ? 3 : 0);
  });

  it('tells what to do about a used-up quota, a missing permission, a missing subnetwork and an API that is off', async () => {
    const messages: string[] = [];
    for (const reason of ['quotaExceeded', 'forbidden', 'notFound', 'accessNotConfigured']) {
      compute.refusals.push({ path: '/bulkInsert', status: 403, reason });
      messages.push((await provider.launch(request())).errors[0]?.message ?? '');
    }

    expect(messages).toEqual([
      expect.stringContaining('ask for more at IAM & Admin, Quotas'),
      expect.stringContaining('may not launch'),
      expect.stringContaining('apply gcp/ again'),
      expect.stringContaining('enable the Compute Engine API'),
    ]);
  });

  it('whose answer is lost is not known to have failed; asked again it brings the same machines (lesson 25)', async () => {
    compute.lostAnswers.push('/bulkInsert');

    await expect(provider.launch(request())).rejects.toThrow(TransientError);
    const again = await provider.launch(request());

    expect(again.launched.map((each) => each.instanceId).sort()).toEqual([...compute.machines.keys()].sort());
    expect(compute.machines.size).toBe(3);
  });

  it('is asked for again by itself when its answer is lost, and launches once', async () => {
    compute.lostAnswers.push('/bulkInsert');

    const { launched } = await providerWith({ tries: 3 }).launch(request());

    expect(launched).toHaveLength(3);
    expect(compute.machines.size).toBe(3);
    expect(new Set(compute.requests.map(({ query }) => query['requestId']).filter(Boolean)).size).toBe(1);
  });

  it('that Compute Engine failed over (500) is not known to have failed either', async () => {
    compute.refusals.push({ path: '/bulkInsert', status: 500, reason: 'backendError' });

    await expect(provider.launch(request())).rejects.toThrow(TransientError);
  });

  it('is waited for while it goes on, through lost answers', async () => {
    compute.slowness = 2;
    compute.lostAnswers.push('/wait');

    const { launched } = await provider.launch(request());

    expect(launched).toHaveLength(3);
  });

  it('that takes too long is left to be found by its intent', async () => {
    compute.slowness = Number.POSITIVE_INFINITY;

    await expect(providerWith({ launchWaitSeconds: 0.2 }).launch(request())).rejects.toThrow('still launching');
    const found = await provider.list('default');

    expect(found.map(({ intentId }) => intentId)).toEqual(Array.from({ length: 3 }, () => request().intentId));
  });

  it('without a type that fits says so and asks Compute Engine for nothing', async () => {
    const { errors } = await provider.launch(request({ choices: [] }));

    expect(errors[0]?.message).toContain('no machine type fits');
    expect(inserted()).toBeUndefined();
  });

  it('shows its token with every request', async () => {
    await compute.stop();
    compute = new ComputeServer({ token: 'ya29.right' });
    url = await compute.start();

    const right = await providerWith({ token: async () => 'ya29.right' }).launch(request());
    const wrong = await providerWith({ token: async () => 'ya29.wrong' }).launch(request());

    expect(right.launched).toHaveLength(3);
    expect(wrong.errors).toMatchObject([{ code: 'authError', kind: 'configuration' }]);
  });
});

describe('the list of machines on Compute Engine', () => {
  it('takes one call for each 500 of them, whatever their fleets, and leaves out their scripts (lesson 30)', async () => {
    await provider.launch(request({ count: 700 }));
    await provider.launch(request({ fleet: 'large', intentId: 'intent-2', count: 500 }));
    const before = compute.countOf('GET', 'aggregated/instances');

    const observed = await provider.list();

    expect(observed).toHaveLength(1_200);
    expect(compute.countOf('GET', 'aggregated/instances') - before).toBe(3);
    expect(compute.requests.at(-1)?.query['fields']).not.toContain('metadata');
  });

  it('says of each what type it is, and when its lifetime ends', async () => {
    await provider.launch(request({ count: 1 }));

    expect(await provider.list()).toMatchObject([
      { instanceType: 't2d-standard-4', expiresAt: at(7_200), fleet: 'default', intentId: request().intentId },
    ]);
  });

  it('tells a machine that was taken back, although it is gone, from one that was ended', async () => {
    provider = providerWith({ now: () => new Date() });
    const { launched } = await provider.launch(request({ count: 2 }));
    const [taken = '', ended = ''] = launched.map((each) => each.instanceId);
    compute.preempt(taken);
    await provider.terminate([ended]);

    const observed = await provider.list('default');

    expect(observed.find((each) => each.instanceId === taken)).toMatchObject({
      running: false,
      interrupted: true,
      fleet: 'default',
      endReason: expect.stringContaining('preempted'),
    });
    expect(observed.find((each) => each.instanceId === ended)).toMatchObject({ running: false, interrupted: false });
  });

  it('is complete although nobody can say what was taken back', async () => {
    await provider.launch(request());
    compute.refusals.push({ path: 'aggregated/operations', status: 403, reason: 'forbidden' });

    expect(await provider.list('default')).toHaveLength(3);
  });

  it('fails rather than leave out a zone that does not answer: its machines would count as gone', async () => {
    compute.refusals.push({ path: 'aggregated/instances', status: 503, reason: 'backendError' });

    await expect(provider.list('default')).rejects.toThrow(TransientError);
  });

  it('has no machine of another stage in it, should the filter one day mean something else', async () => {
    await providerWith({ stage: 'prod' }).launch(request());
    const { launched } = await provider.launch(request({ count: 1 }));
    compute.ignoresFilters = true;

    const observed = await provider.list();

    expect(observed.map(({ instanceId }) => instanceId)).toEqual(launched.map(({ instanceId }) => instanceId));
  });

  it('shows a machine that switched itself off as stopped, to be ended for the sake of its disk', async () => {
    const [stopped = ''] = (await provider.launch(request({ count: 1 }))).launched.map((each) => each.instanceId);
    compute.switchOff(stopped);

    expect(await provider.list('default')).toMatchObject([{ instanceId: stopped, running: false, stopped: true }]);
    await provider.terminate([stopped]);
    await provider.list('default');
    expect(compute.machines.size).toBe(0);
  });
});

describe('ending machines on Compute Engine', () => {
  it('ends every known one of those it is told, and touches none of others', async () => {
    const { launched } = await provider.launch(request({ count: 12 }));
    const ids = launched.map((each) => each.instanceId);

    await provider.terminate([...ids, 'europe-west4-a.shoal-test-default-00000000-0001', 'europe-west4-a.database']);

    expect((await provider.list('default')).filter((each) => each.running)).toEqual([]);
    expect(compute.requests.filter(({ path }) => path.endsWith('/database'))).toEqual([]);
  });

  it('fails where Compute Engine refuses for another reason than that there is nothing to end', async () => {
    const { launched } = await provider.launch(request({ count: 1 }));
    const [id = ''] = launched.map((each) => each.instanceId);
    compute.refusals.push({ path: id.split('.')[1] ?? '', status: 403, reason: 'forbidden' });

    await expect(provider.terminate([id])).rejects.toThrow('forbidden');
  });

  it('tells the end of what the machine printed, and nothing where it printed nothing or is gone', async () => {
    const { launched } = await provider.launch(request({ count: 2 }));
    const [noisy = '', silent = ''] = launched.map((each) => each.instanceId);
    compute.consoles.set(noisy, `${'x'.repeat(5_000)}\nstartup-script: no space left on device\n`);

    expect(await provider.consoleTail(noisy)).toMatch(/x\nstartup-script: no space left on device$/);
    expect((await provider.consoleTail(noisy))?.length).toBe(2_000);
    expect(await provider.consoleTail(silent)).toBeNull();
    expect(await provider.consoleTail('europe-west4-a.shoal-test-default-00000000-0001')).toBeNull();
  });
});
