/** What only EC2 does: partial fleets, stock-outs, throttles, lost answers, two markets, pages. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEc2Client } from '../../adapters/aws/ec2-clients.ts';
import { launchTemplateName } from '../../adapters/aws/ec2-fleet-request.ts';
import { Ec2InstanceProvider } from '../../adapters/aws/ec2-instance-provider.ts';
import { checkLaunches } from '../../adapters/aws/ec2-launch-check.ts';
import { TransientError } from '../../core/errors.ts';
import type { LaunchRequest } from '../../core/launch.ts';
import { poolOf } from '../../core/offer.ts';
import { choiceFactory } from '../factories/choice.ts';
import { Ec2Service } from './ec2-service.ts';

const large = { instanceType: 'c7g.large', vcpus: 2, memoryMiB: 4_096 };
const a = choiceFactory({ ...large, hourlyPriceUsd: 0.03 });
const b = choiceFactory({ ...large, zone: 'us-east-1b', hourlyPriceUsd: 0.04 });
const onDemand = choiceFactory({
  ...large,
  market: 'on-demand',
  zone: null,
  hourlyPriceUsd: 0.0765,
  interruptionsPerHour: 0,
});

const request = (overrides: Partial<LaunchRequest> = {}): LaunchRequest => ({
  fleet: 'default',
  intentId: 'intent-1',
  count: 3,
  environment: {},
  choices: [a, b],
  expiresAt: '2026-01-02T00:00:00.000Z',
  ...overrides,
});

let ec2: Ec2Service;
let client: ReturnType<typeof createEc2Client>;
let provider: Ec2InstanceProvider;

beforeEach(async () => {
  ec2 = new Ec2Service();
  const endpoint = await ec2.start();
  ec2.launchTemplates.set(launchTemplateName('test', 'default'), { userData: '' });
  client = createEc2Client({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  });
  provider = new Ec2InstanceProvider({
    client,
    stage: 'test',
    subnetIds: ['subnet-a', 'subnet-b'],
    images: { arm64: 'ami-arm', x86_64: 'ami-x86' },
  });
});
afterEach(async () => {
  client.destroy();
  await ec2.stop();
});

const formOf = (action: string) => ec2.requests.find((each) => each.action === action)?.form ?? {};

describe('a launch on EC2', () => {
  it('is one request over every pool, tagged with fleet, intent and the end of its life', async () => {
    const x86 = choiceFactory({ instanceType: 'c7i.large', architecture: 'x86_64', zone: null });
    await provider.launch(request({ choices: [a, b, x86] }));

    expect(ec2.countOf('CreateFleet')).toBe(1);
    expect(formOf('CreateFleet')).toMatchObject({
      Type: 'instant',
      ClientToken: 'intent-1',
      'SpotOptions.AllocationStrategy': 'price-capacity-optimized',
      'LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateName': 'shoal-test-default',
      'LaunchTemplateConfigs.1.Overrides.1.SubnetId': 'subnet-a',
      'LaunchTemplateConfigs.1.Overrides.1.ImageId': 'ami-arm',
      'LaunchTemplateConfigs.1.Overrides.1.BlockDeviceMapping.1.DeviceName': '/dev/xvda',
      'LaunchTemplateConfigs.1.Overrides.1.BlockDeviceMapping.1.Ebs.VolumeSize': '18',
      'LaunchTemplateConfigs.1.Overrides.1.BlockDeviceMapping.1.Ebs.Encrypted': 'true',
      'LaunchTemplateConfigs.1.Overrides.2.SubnetId': 'subnet-b',
      'LaunchTemplateConfigs.1.Overrides.3.ImageId': 'ami-x86',
      'LaunchTemplateConfigs.1.Overrides.4.SubnetId': 'subnet-b',
    });
    const [machine] = ec2.machines.values();
    expect(machine?.tags).toEqual({
      Name: 'shoal-test-default',
      'shoal:stage': 'test',
      'shoal:fleet': 'default',
      'shoal:intent': 'intent-1',
      'shoal:expires-at': '2026-01-02T00:00:00.000Z',
    });
  });

  it('names the market in one place, and asks for on-demand machines without a word of spot (lesson 32)', async () => {
    const outcome = await provider.launch(request({ choices: [onDemand] }));

    expect(outcome.errors).toEqual([]);
    expect(outcome.launched).toHaveLength(3);
    const form = formOf('CreateFleet');
    expect(form['TargetCapacitySpecification.DefaultTargetCapacityType']).toBe('on-demand');
    expect(Object.entries(form).filter(([key, value]) => /spot/i.test(`${key}=${value}`))).toEqual([]);
  });

  it('says of each machine what its pool costs and how many tasks it runs', async () => {
    ec2.capacity.set(poolOf(a.offer), 1);

    const { launched } = await provider.launch(request({ count: 2 }));

    expect(launched.map(({ hourlyPriceUsd, slots }) => [hourlyPriceUsd, slots])).toEqual([
      [0.03, 2],
      [0.04, 2],
    ]);
  });

  it('that is filled in part says what is missing, and which pools had no more (lessons 20 and 21)', async () => {
    ec2.capacity.set(poolOf(a.offer), 1);
    ec2.capacity.set(poolOf(b.offer), 0);

    const { launched, errors } = await provider.launch(request());

    expect(launched).toHaveLength(1);
    expect(errors).toMatchObject([
      {
        code: 'InsufficientInstanceCapacity',
        kind: 'out-of-capacity',
        retryable: true,
        pools: ['c7g.large/us-east-1a/spot', 'c7g.large/us-east-1b/spot'],
      },
    ]);
  });

  it('of a type in any zone marks the zones that had none, and the type once none of them had any', async () => {
    for (const zone of ['us-east-1a', 'us-east-1b']) ec2.capacity.set(`c7g.large/${zone}/on-demand`, 0);

    const { errors } = await provider.launch(request({ choices: [onDemand] }));

    expect(errors[0]?.pools).toEqual([
      'c7g.large/us-east-1a/on-demand',
      'c7g.large/us-east-1b/on-demand',
      'c7g.large/*/on-demand',
    ]);
  });

  it.each([
    ['RequestLimitExceeded', 503, 'throttled', true],
    ['MaxSpotInstanceCountExceeded', 400, 'quota', true],
    ['UnauthorizedOperation', 403, 'configuration', false],
    ['AuthFailure.ServiceLinkedRoleCreationNotPermitted', 403, 'configuration', false],
    ['InsufficientInstanceCapacity', 500, 'out-of-capacity', true],
    ['SomethingNew', 400, 'unknown', true],
  ] as const)('that is refused with %s (%i) is an answer: %s', async (code, status, kind, retryable) => {
    ec2.refusals.push({ action: 'CreateFleet', code, status });

    const { launched, errors } = await provider.launch(request());

    expect(launched).toEqual([]);
    expect(errors).toMatchObject([{ code, kind, retryable }]);
  });

  it('tells what to do about a missing role, a used-up quota and a missing template', async () => {
    ec2.refusals.push({ action: 'CreateFleet', code: 'AuthFailure.ServiceLinkedRoleCreationNotPermitted' });
    const role = await provider.launch(request());
    ec2.refusals.push({ action: 'CreateFleet', code: 'VcpuLimitExceeded' });
    const quota = await provider.launch(request());
    const template = await provider.launch(request({ fleet: 'never-deployed' }));

    expect(role.errors[0]?.message).toContain('create-service-linked-role --aws-service-name spot.amazonaws.com');
    expect(quota.errors[0]?.message).toContain('Service Quotas');
    expect(template.errors[0]).toMatchObject({ kind: 'configuration', message: expect.stringContaining('deploy') });
  });

  it('whose answer is lost is not known to have failed; asked again it brings the same machines (lesson 25)', async () => {
    ec2.lostAnswers.push('CreateFleet');

    await expect(provider.launch(request())).rejects.toThrow(TransientError);
    const again = await provider.launch(request());

    expect(again.launched.map((each) => each.instanceId).sort()).toEqual([...ec2.machines.keys()].sort());
    expect(ec2.machines.size).toBe(3);
  });

  it('that EC2 failed over (500) is not known to have failed either', async () => {
    ec2.refusals.push({ action: 'CreateFleet', code: 'InternalError', status: 500 });

    await expect(provider.launch(request())).rejects.toThrow(TransientError);
  });

  it('without a subnet that exists, or an offer in its zones, says so and asks EC2 for nothing', async () => {
    const elsewhere = await provider.launch(request({ choices: [choiceFactory({ zone: 'us-east-1f' })] }));
    const nothing = await provider.launch(request({ choices: [] }));
    const options = { client, stage: 'test', images: { arm64: '', x86_64: '' } };
    const noSubnet = await new Ec2InstanceProvider({ ...options, subnetIds: ['subnet-z'] }).launch(request());

    expect(elsewhere.errors[0]?.message).toContain('in a zone of its subnets');
    expect(nothing.errors[0]?.message).toContain('no instance type fits');
    expect(noSubnet.errors[0]).toMatchObject({ code: 'InvalidSubnetID.NotFound', kind: 'configuration' });
    expect(ec2.countOf('CreateFleet')).toBe(0);
  });
});

describe('the list of machines on EC2', () => {
  it('takes one call for each 1,000 of them, whatever their fleets (lesson 30)', async () => {
    ec2.launchTemplates.set(launchTemplateName('test', 'large'), { userData: '' });
    await provider.launch(request({ count: 1_200 }));
    await provider.launch(request({ fleet: 'large', intentId: 'intent-2', count: 700 }));

    const observed = await provider.list();

    expect(observed).toHaveLength(1_900);
    expect(ec2.countOf('DescribeInstances')).toBe(2);
  });

  it('says of each what type it is, and when its lifetime ends', async () => {
    await provider.launch(request({ count: 1 }));

    expect(await provider.list()).toMatchObject([
      { instanceType: 'c7g.large', expiresAt: '2026-01-02T00:00:00.000Z', fleet: 'default', intentId: 'intent-1' },
    ]);
  });

  it('tells a machine that was taken back from one that was ended', async () => {
    const { launched } = await provider.launch(request({ count: 2 }));
    const [taken = '', ended = ''] = launched.map((each) => each.instanceId);
    ec2.interrupt(taken);
    await provider.terminate([ended]);

    const observed = await provider.list('default');

    expect(observed.find((each) => each.instanceId === taken)).toMatchObject({
      running: false,
      interrupted: true,
      endReason: 'Server.SpotInstanceTermination: Spot instance termination',
    });
    expect(observed.find((each) => each.instanceId === ended)).toMatchObject({ running: false, interrupted: false });
  });
});

describe('ending machines on EC2', () => {
  it('ends every known one of a batch in which some are unknown', async () => {
    const { launched } = await provider.launch(request({ count: 5 }));
    const ids = launched.map((each) => each.instanceId);

    await provider.terminate([...ids.slice(0, 2), 'i-0123456789abcdef0', ...ids.slice(2), 'i-0fedcba9876543210']);

    expect((await provider.list('default')).filter((each) => each.running)).toEqual([]);
  });

  it('takes one call for each hundred', async () => {
    const { launched } = await provider.launch(request({ count: 250 }));

    await provider.terminate(launched.map((each) => each.instanceId));

    expect(ec2.countOf('TerminateInstances')).toBe(3);
  });

  it('tells the end of what the machine printed, and nothing where it printed nothing', async () => {
    ec2.consoles.set('i-1', `${'x'.repeat(5_000)}\ncloud-init: no space left on device\n`);

    expect(await provider.consoleTail('i-1')).toMatch(/x\ncloud-init: no space left on device$/);
    expect((await provider.consoleTail('i-1'))?.length).toBe(2_000);
    expect(await provider.consoleTail('i-2')).toBeNull();
  });
});

describe('the look at a deployment before its first launch', () => {
  const check = (overrides: Partial<Parameters<typeof checkLaunches>[0]> = {}) =>
    checkLaunches({
      client,
      stage: 'test',
      subnetIds: ['subnet-a', 'subnet-b'],
      fleets: [{ name: 'default', maxInstances: 10 }],
      ...overrides,
    });

  it('finds everything in its place, and launches nothing', async () => {
    expect(await check()).toEqual([
      { what: 'subnets', ok: true, message: '502 free addresses in 2 zones' },
      { what: 'fleet default', ok: true, message: 'EC2 would launch machines of it' },
    ]);
    expect(ec2.machines.size).toBe(0);
  });

  it('says which template is missing, which role, and which subnets are too small or not there', async () => {
    const [, template] = await check({ fleets: [{ name: 'new', maxInstances: 1 }] });
    ec2.refusals.push({
      action: 'CreateFleet',
      code: 'AuthFailure.ServiceLinkedRoleCreationNotPermitted',
      status: 403,
    });
    const [, role] = await check();
    const [small] = await check({ fleets: [{ name: 'default', maxInstances: 600 }] });
    const [gone] = await check({ subnetIds: ['subnet-z'] });
    const [none] = await check({ subnetIds: [] });

    expect(template).toMatchObject({ ok: false, message: expect.stringContaining('deploy the stack again') });
    expect(role).toMatchObject({ ok: false, message: expect.stringContaining('create-service-linked-role') });
    expect(small).toMatchObject({ ok: false, message: expect.stringContaining('name larger subnets') });
    expect(gone).toMatchObject({ ok: false, message: expect.stringContaining('InvalidSubnetID.NotFound') });
    expect(none).toMatchObject({ ok: false, message: 'no subnet is named to launch machines into' });
  });
});
