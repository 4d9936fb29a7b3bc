/** Machines on Azure: the contract, and what only Azure does: sizes that are refused at once or late, lost answers, pages. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AzureInstanceProvider } from '../../adapters/azure/azure-instance-provider.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { LaunchRequest } from '../../core/launch.ts';
import { poolOf } from '../../core/offer.ts';
import { AZURE } from '../../worker-bootstrap/platforms/azure.ts';
import { renderUserData } from '../../worker-bootstrap/user-data.ts';
import { ArmServer } from '../clouds/azure/arm-server.ts';
import { azureCloudFactory } from '../clouds/azure/azure-cloud.ts';
import { choiceFactory } from '../factories/choice.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';
import { describeInstanceProviderContract } from './instance-provider.ts';

const size = { provider: 'azure', region: 'westeurope', zone: null, vcpus: 2, memoryMiB: 8_192, diskGiB: 32 } as const;
const d2 = choiceFactory({ ...size, instanceType: 'Standard_D2ps_v5', architecture: 'arm64', hourlyPriceUsd: 0.02 });
const e2 = choiceFactory({ ...size, instanceType: 'Standard_E2s_v5', architecture: 'x86_64', hourlyPriceUsd: 0.03 });
const regular = choiceFactory({
  ...size,
  instanceType: 'Standard_D2s_v5',
  architecture: 'x86_64',
  market: 'on-demand',
});

const request = (overrides: Partial<LaunchRequest> = {}): LaunchRequest => ({
  fleet: 'default',
  intentId: 'intent-1',
  count: 3,
  environment: { SHOAL_FLEET: 'default' },
  choices: [d2, e2],
  expiresAt: '2026-01-02T00:00:00.000Z',
  ...overrides,
});

const startupScript = (environment: Readonly<Record<string, string>>): string =>
  renderUserData({ url: 'https://example.com/bootstrap.sh', sha256: '', environment, platform: AZURE });

async function prepare() {
  const plain = azureCloudFactory();
  const arm = new ArmServer({ ...plain, token: 'a-token' });
  const cloud = { ...plain, endpoints: { management: await arm.start() } };
  const token = async (): Promise<string> => 'a-token';
  const launches = new InMemoryBlobStore();
  const options = { cloud, stage: 'test', token, startupScript, launches, launchWaitSeconds: 5 };
  return { arm, options, provider: new AzureInstanceProvider(options) };
}

const scriptOf = (arm: ArmServer, name: string): string =>
  Buffer.from(arm.machines.get(name)?.body.properties.osProfile.customData ?? '', 'base64').toString();

describeInstanceProviderContract('Azure', async () => {
  const { arm, provider } = await prepare();
  return {
    provider: {
      name: provider.name,
      launch: (asked) => provider.launch({ ...asked, choices: [d2, e2] }),
      list: (...fleets) => provider.list(...fleets),
      terminate: (instanceIds) => provider.terminate(instanceIds),
    },
    environmentOf: async (instanceId) =>
      Object.fromEntries(
        [...scriptOf(arm, instanceId).matchAll(/^export (\w+)='(.*)'$/gm)].map(([, key, value]) => [key, value]),
      ),
    lose: async (instanceId) => arm.evict(instanceId),
    switchOff: async (instanceId) => arm.stopGuest(instanceId),
    cleanUp: () => arm.stop(),
  };
});

let arm: ArmServer;
let provider: AzureInstanceProvider;
let options: Awaited<ReturnType<typeof prepare>>['options'];
beforeEach(async () => {
  ({ arm, provider, options } = await prepare());
});
afterEach(() => arm.stop());

const sizesOf = (): (string | undefined)[] =>
  [...arm.machines.values()].map(({ body }) => body.properties.hardwareProfile.vmSize);

describe('a launch on Azure', () => {
  it('makes each machine as a spot machine that leaves nothing behind, tagged with fleet, intent and the end of its life', async () => {
    await provider.launch(request({ count: 1 }));

    const [machine] = arm.machines.values();
    expect(machine?.name).toMatch(/^shoal-default-[0-9a-f]{16}-0$/);
    expect(machine?.body).toMatchObject({
      location: 'westeurope',
      tags: {
        'shoal-stage': 'test',
        'shoal-fleet': 'default',
        'shoal-intent': 'intent-1',
        'shoal-expires-at': '2026-01-02T00:00:00.000Z',
      },
      properties: {
        priority: 'Spot',
        evictionPolicy: 'Delete',
        billingProfile: { maxPrice: -1 },
        hardwareProfile: { vmSize: 'Standard_D2ps_v5' },
        storageProfile: { imageReference: { sku: '12-arm64' }, osDisk: { deleteOption: 'Delete', diskSizeGB: 42 } },
        scheduledEventsProfile: { terminateNotificationProfile: { enable: true } },
      },
    });
  });

  it('tells each machine which one it is, and where to have itself deleted', async () => {
    const { launched } = await provider.launch(request({ count: 2 }));

    for (const { instanceId } of launched) {
      expect(scriptOf(arm, instanceId)).toContain(`export SHOAL_INSTANCE_ID='${instanceId}'\n`);
      expect(scriptOf(arm, instanceId)).toMatch(
        new RegExp(`SHOAL_MACHINE_URL='http.*/virtualMachines/${instanceId}\\?api-version=[\\d-]+&forceDeletion=true'`),
      );
    }
  });

  it('asks for on-demand machines without a word of spot (lesson 32)', async () => {
    const outcome = await provider.launch(request({ choices: [regular, d2] }));

    expect(outcome.errors).toEqual([]);
    expect(outcome.launched).toHaveLength(3);
    for (const { body } of arm.machines.values()) {
      const { evictionPolicy, billingProfile, priority } = body.properties;
      expect([priority, evictionPolicy, billingProfile]).toEqual(['Regular', undefined, undefined]);
    }
  });

  it('takes the next size where the best one is refused, and says what each machine costs', async () => {
    arm.capacity.set('Standard_D2ps_v5/spot', 1);

    const { launched, errors } = await provider.launch(request());

    expect(
      launched.map(({ instanceType, hourlyPriceUsd, slots }) => [instanceType, hourlyPriceUsd, slots]).sort(),
    ).toEqual([
      ['Standard_D2ps_v5', 0.02, 2],
      ['Standard_E2s_v5', 0.03, 2],
      ['Standard_E2s_v5', 0.03, 2],
    ]);
    expect(errors).toEqual([]);
  });

  it('that is filled in part says what is missing, and which pools had no more (lessons 20 and 21)', async () => {
    arm.capacity.set('Standard_D2ps_v5/spot', 1);
    arm.capacity.set('Standard_E2s_v5/spot', 0);

    const { launched, errors } = await provider.launch(request());

    expect(launched).toHaveLength(1);
    expect(errors).toMatchObject([{ code: 'SkuNotAvailable', kind: 'out-of-capacity', retryable: true }]);
    expect(errors[0]?.pools.toSorted()).toEqual([poolOf(d2.offer), poolOf(e2.offer)].sort());
  });

  it('does not ask again for a size that was refused a moment ago', async () => {
    arm.capacity.set('Standard_D2ps_v5/spot', 0);
    arm.capacity.set('Standard_E2s_v5/spot', 0);

    await provider.launch(request({ count: 60 }));

    // Those under way when the first refusal came, at most.
    expect(arm.countOf('put')).toBeLessThanOrEqual(32);
  });

  it.each(['azure-asyncoperation', 'location'] as const)(
    'waits for what is found out late (%s), says so, and removes what could not be made',
    async (header) => {
      arm.trackBy = header;
      arm.lateCapacity.set('Standard_D2ps_v5/spot', 2);
      arm.pollsUntilDone = 1;

      const { launched, errors } = await provider.launch(request());

      expect(launched).toHaveLength(2);
      expect(errors).toMatchObject([
        { code: 'AllocationFailed', kind: 'out-of-capacity', retryable: true, pools: [poolOf(d2.offer)] },
      ]);
      const listed = await provider.list('default');
      expect(listed.filter(({ running, stopped }) => running || stopped)).toHaveLength(2);
    },
  );

  it('counts what is still being made when the time is up', async () => {
    arm.pollsUntilDone = 1_000;

    const hasty = new AzureInstanceProvider({ ...options, launchWaitSeconds: 0.2 });
    const { launched, errors } = await hasty.launch(request());

    expect([launched.length, errors]).toEqual([3, []]);
    expect((await provider.list()).every((each) => each.running)).toBe(true);
  });

  it.each([
    ['a throttle', { code: 'TooManyRequests', status: 429 }, { kind: 'throttled', retryable: true }],
    [
      'a quota',
      { code: 'OperationNotAllowed', status: 409, message: 'exceeding approved LowPriorityCores Quota' },
      { kind: 'quota', retryable: true, message: expect.stringContaining('Total Regional Spot vCPUs') },
    ],
    [
      'a missing role',
      { code: 'AuthorizationFailed', status: 403 },
      { kind: 'configuration', retryable: false, message: expect.stringContaining('lacks a role') },
    ],
    ['what nobody knows', { code: 'OperationNotAllowed', status: 409 }, { kind: 'unknown', retryable: true }],
  ])('that meets %s asks for no other size, and says what it is', async (_what, refusal, error) => {
    arm.refusals.push({ name: 'put', ...refusal });

    const { launched, errors } = await provider.launch(request({ count: 1 }));

    expect([launched, arm.countOf('put')]).toEqual([[], 1]);
    expect(errors).toMatchObject([{ code: refusal.code, ...error }]);
  });

  it('tries the next size where a quota is of one family', async () => {
    const message = 'Operation could not be completed as it results in exceeding approved standardDPSv5Family quota.';
    arm.refusals.push({ name: 'put', code: 'QuotaExceeded', status: 409, message });

    const { launched } = await provider.launch(request({ count: 1 }));

    expect(launched.map(({ instanceType }) => instanceType)).toEqual(['Standard_E2s_v5']);
  });

  it('makes no second machine when the answer to the first is lost', async () => {
    arm.lostAnswers.push('put');

    const { launched, errors } = await provider.launch(request({ count: 1 }));

    expect([launched.length, errors]).toEqual([1, []]);
    expect([...arm.machines.keys()]).toEqual([launched[0]?.instanceId]);
  });

  it('does not know what it launched when nobody answers, and finds it by its intent', async () => {
    arm.lostAnswers.push('put', 'put', 'put');

    await expect(provider.launch(request({ count: 1 }))).rejects.toThrow(TransientError);
    expect(await provider.list()).toMatchObject([
      { intentId: 'intent-1', running: true, instanceType: 'Standard_D2ps_v5' },
    ]);
  });

  it('makes none but the missing machines of an intent that nobody has finished', async () => {
    arm.capacity.set('Standard_D2ps_v5/spot', 1);
    arm.lostAnswers.push('put', 'put', 'put');
    await provider.launch(request({ count: 1 })).catch(() => undefined);

    const { launched } = await provider.launch(request({ count: 2 }));

    expect(launched.map(({ instanceType }) => instanceType)).toEqual(['Standard_D2ps_v5', 'Standard_E2s_v5']);
    expect(sizesOf().sort()).toEqual(['Standard_D2ps_v5', 'Standard_E2s_v5']);
  });

  it('launches nothing without a token, and says why', async () => {
    const token = () => Promise.reject(new PermanentError('Entra refuses AWS’s token'));
    const locked = new AzureInstanceProvider({ ...options, token });

    const { errors } = await locked.launch(request());

    expect(errors).toMatchObject([{ kind: 'configuration', message: expect.stringContaining('Entra refuses') }]);
    expect(arm.requests).toEqual([]);
  });

  it('launches a hundred at a time, and says that the rest is to come', async () => {
    const { launched, errors } = await provider.launch(request({ count: 120 }));

    expect(launched).toHaveLength(100);
    expect(errors).toMatchObject([{ kind: 'throttled', retryable: true }]);
  });

  it.each([[], undefined])('without a choice launches nothing: %j', async (choices) => {
    const { errors } = await provider.launch({
      fleet: 'default',
      intentId: 'i',
      count: 1,
      environment: {},
      ...(choices ? { choices } : {}),
    });

    expect(errors).toMatchObject([{ code: 'NothingToRent' }]);
  });
});

describe('machines on Azure', () => {
  it('are listed page by page, whatever else is in the resource group', async () => {
    await provider.launch(request({ count: 5 }));
    await new AzureInstanceProvider({ ...options, stage: 'other' }).launch(request({ intentId: 'intent-2', count: 2 }));
    arm.pageSize = 2;

    const listed = await provider.list();

    expect(listed).toHaveLength(5);
    expect(listed[0]).toMatchObject({ expiresAt: '2026-01-02T00:00:00.000Z', instanceType: 'Standard_D2ps_v5' });
    expect(arm.countOf('list')).toBe(4);
  });

  it.each([
    ['list', 503],
    ['statuses', 500],
  ] as const)('are listed although ARM fails for a moment: %s %d', async (name, status) => {
    await provider.launch(request({ count: 1 }));
    arm.refusals.push({ name, code: 'InternalServerError', status });

    expect(await provider.list()).toHaveLength(1);
  });

  it.each([
    ['are not listed for now where ARM is throttled', { code: 'TooManyRequests', status: 429 }, TransientError],
    ['are not listed where that is not allowed', { code: 'AuthorizationFailed', status: 403 }, PermanentError],
  ])('%s', async (_what, refusal, kind) => {
    arm.refusals.push({ name: 'list', ...refusal });

    await expect(provider.list()).rejects.toThrow(kind);
  });

  it('that switched themselves off are told apart: they cost until they are deleted', async () => {
    const { launched } = await provider.launch(request({ count: 2 }));
    const [first = '', second = ''] = launched.map(({ instanceId }) => instanceId);
    arm.stopGuest(first);

    const listed = await provider.list();

    expect(listed.find(({ instanceId }) => instanceId === first)).toMatchObject({ running: false, stopped: true });
    expect(listed.find(({ instanceId }) => instanceId === second)).toMatchObject({ running: true });
  });

  it.each([
    ['nothing where it is gone: Azure has no word for an eviction', 'evict', undefined, undefined],
    ['nothing where its place was given away', 'deallocate', 'it is deallocated', undefined],
    ['that it did so itself where it is switched off', 'stopGuest', 'it is stopped', false],
  ] as const)(
    'are said to have been taken back or not, as far as Azure knows: %s',
    async (_what, end, endReason, interrupted) => {
      const { launched } = await provider.launch(request({ count: 2 }));
      const [first = ''] = launched.map(({ instanceId }) => instanceId);

      arm[end](first);

      const seen = (await provider.list()).find(({ instanceId }) => instanceId === first);
      expect([seen?.endReason, seen?.interrupted]).toEqual([endReason, interrupted]);
    },
  );

  it.each([
    ['AllocationFailed', true],
    ['OSProvisioningTimedOut', false],
  ])('that could not be made after all are told with the reason: %s', async (code, interrupted) => {
    const { launched } = await provider.launch(request({ count: 1 }));
    const [first = ''] = launched.map(({ instanceId }) => instanceId);

    arm.fail(first, code);

    const endReason = `it could not be made: ${code}`;
    expect(await provider.list()).toMatchObject([{ running: false, stopped: true, endReason, interrupted }]);
  });

  it('are ended each for itself: one that cannot be ended keeps no other', async () => {
    const { launched } = await provider.launch(request({ count: 3 }));
    arm.refusals.push({ name: 'delete', code: 'Conflict', status: 409 });

    await expect(provider.terminate(launched.map(({ instanceId }) => instanceId))).rejects.toThrow(TransientError);

    expect((await provider.list()).filter(({ running }) => running)).toHaveLength(1);
  });

  it('are not looked for where ARM names another address than its own: the token is for ARM alone', async () => {
    const elsewhere = new ArmServer(azureCloudFactory());
    const stolen = await elsewhere.start();
    try {
      await provider.launch(request({ count: 3 }));
      arm.pageSize = 1;
      arm.nextLinkOrigin = stolen;

      await expect(provider.list()).rejects.toThrow(PermanentError);
      expect(elsewhere.requests).toEqual([]);
    } finally {
      await elsewhere.stop();
    }
  });
});
