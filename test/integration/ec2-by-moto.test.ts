/**
 * The real scaler against an EC2 that is not ours: moto's. It shows that our requests are what another reading of AWS's
 * documents takes, and that we read its answers. It shows nothing of capacity, throttling, idempotency (moto launches again
 * for a repeated client token) or permissions.
 */
import {
  CreateLaunchTemplateCommand,
  DescribeInstanceAttributeCommand,
  DescribeSubnetsCommand,
  EC2Client,
  RegisterImageCommand,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createPricingClient } from '../../adapters/aws/ec2-clients.ts';
import { launchTemplateName, TAGS } from '../../adapters/aws/ec2-fleet-request.ts';
import { Ec2InstanceProvider } from '../../adapters/aws/ec2-instance-provider.ts';
import { Ec2OfferSource } from '../../adapters/aws/ec2-offer-source.ts';
import { ec2QuotaOf, readServiceQuota } from '../../adapters/aws/ec2-quotas.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { quotaNeeds } from '../../core/vcpu-quota.ts';
import { scale } from '../../functions/scaler/scale.ts';
import { ScalerWorld, SETTINGS } from '../../functions/scaler/testing/scaler-world.ts';
import { launchTemplateResources } from '../../resources/launch-templates.ts';
import { START } from '../factories/manual-clock.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';
import { MotoServer, motoIsInstalled } from './moto-server.ts';

const REGION = 'us-east-1';
const STAGE = 'test';
const FLEETS = { default: { provider: 'aws', maxInstances: 5, slot: { vcpu: 1, memoryMiB: 1_024, diskGiB: 5 } } };

/** The launch template as CloudFormation would make it of the generated resource. */
async function createLaunchTemplate(ec2: EC2Client): Promise<void> {
  const fleets = fleetsOf(fleetsFileSchema.parse({ fleets: FLEETS }));
  const hashes = { agent: 'a'.repeat(64), bootstrap: 'b'.repeat(64) };
  const resource = launchTemplateResources(fleets, STAGE, hashes)['LaunchTemplateDefault'];
  const data = z
    .looseObject({
      MetadataOptions: z.record(z.string(), z.unknown()),
      UserData: z.object({ 'Fn::Base64': z.object({ 'Fn::Join': z.tuple([z.string(), z.array(z.unknown())]) }) }),
    })
    .parse(resource?.Properties['LaunchTemplateData']);
  const [, parts] = data.UserData['Fn::Base64']['Fn::Join'];
  const script = parts.map((part) => (typeof part === 'string' ? part : 'resolved')).join('');
  await ec2.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName: launchTemplateName(STAGE, 'default'),
      LaunchTemplateData: {
        UserData: Buffer.from(script).toString('base64'),
        MetadataOptions: { HttpTokens: 'required' },
      },
    }),
  );
}

const skipped = motoIsInstalled
  ? ''
  : ' (skipped: moto_server is not installed, it comes with the Python package moto)';

describe.skipIf(!motoIsInstalled)(`the scaler on moto's EC2${skipped}`, () => {
  let moto: MotoServer;
  let ec2: EC2Client;
  let provider: Ec2InstanceProvider;
  let offers: Ec2OfferSource;
  let quotas: ServiceQuotasClient;
  let world: ScalerWorld;
  let images: { arm64: string; x86_64: string };

  beforeAll(async () => {
    moto = await MotoServer.start();
    const options = { endpoint: moto.url, region: REGION, credentials: { accessKeyId: 'a', secretAccessKey: 'b' } };
    // moto thinks for seconds over a list of types, longer where others are at work too; what it launched, it launches again.
    ec2 = new EC2Client({ ...options, maxAttempts: 1, requestHandler: { requestTimeout: 50_000 } });
    quotas = new ServiceQuotasClient({ ...options, maxAttempts: 1 });
    const imageOf = async (Architecture: 'arm64' | 'x86_64') =>
      (await ec2.send(new RegisterImageCommand({ Name: `image-${Architecture}`, Architecture }))).ImageId ?? '';
    images = { arm64: await imageOf('arm64'), x86_64: await imageOf('x86_64') };
    const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}));
    const subnetIds = Subnets.slice(0, 2).flatMap(({ SubnetId }) => SubnetId ?? []);
    await createLaunchTemplate(ec2);
    world = new ScalerWorld({ fleets: FLEETS, seconds: Math.floor((Date.now() - Date.parse(START)) / 1_000) });
    provider = new Ec2InstanceProvider({ client: ec2, stage: STAGE, subnetIds, images, now: () => world.clock.now() });
    const pricing = createPricingClient({ ...options, maxAttempts: 1 });
    const blobs = new InMemoryBlobStore();
    offers = new Ec2OfferSource({ ec2, pricing, blobs, region: REGION, subnetIds, clock: world.clock });
  });
  afterAll(async () => {
    ec2?.destroy();
    quotas?.destroy();
    await moto?.stop();
  });

  const tick = async () => {
    const ports = { ...world.ports(), providerOf: () => provider, offersOf: () => offers };
    return (await scale(world.fleets, ports, SETTINGS)).fleets;
  };
  const running = async () => (await provider.list('default')).filter((each) => each.running);

  it('reads its types and spot prices', async () => {
    const { offers: listed, source } = await offers.list();

    const spot = listed.filter((offer) => offer.market === 'spot');
    expect(spot.length).toBeGreaterThan(50);
    expect(new Set(spot.map((offer) => offer.architecture))).toEqual(new Set(['arm64', 'x86_64']));
    expect(spot.every((offer) => offer.zone?.startsWith(REGION))).toBe(true);
    // moto has no price list: on-demand prices are those that we ship.
    expect(source).toContain('on-demand prices of 2026-07');
  });

  it('counts each type against one quota of its family', async () => {
    const { offers: listed } = await offers.list();
    const families = (over: object) => {
      const [fleet] = fleetsOf(fleetsFileSchema.parse({ fleets: { any: { provider: 'aws', ...over } } }));
      return fleet ? quotaNeeds(fleet, listed, (instanceType) => ec2QuotaOf(instanceType, 'spot')) : [];
    };

    expect(families({})[0]).toMatchObject({ quota: 'L-34B43A08', smallest: { vcpus: 1 } });
    expect(families({ gpu: { count: 1 } }).map(({ quota }) => quota)).toContain('L-3819A6DF');
    expect(families({ allowedTypes: ['x2gd.*', 'inf2.*'] }).map(({ quota }) => quota)).toEqual([
      'L-E3A00192',
      'L-B5D1601B',
    ]);
  });

  it('tells the quotas that it knows, which are those of VPCs', async () => {
    expect(await readServiceQuota(quotas, 'vpc', 'L-7E9ECCDB')).toEqual({
      name: 'Active VPC peering connections per VPC',
      value: 50,
    });
  });

  it('launches machines for the work that is there, once, and knows what they are', async () => {
    await world.work(3, { expectedSeconds: 3_600 });

    const [first] = await tick();
    world.clock.advance(60);
    const [second] = await tick();

    expect(world.failures).toEqual([]);
    expect([first?.launched, second?.launched]).toEqual([first?.plan.launch, 0]);
    const { instances } = await world.store.read('default');
    expect((await running()).map((each) => each.instanceId).sort()).toEqual(
      instances.map((each) => each.instanceId).sort(),
    );
    expect(instances.length).toBeGreaterThan(0);
    for (const each of instances) {
      expect(each).toMatchObject({ provider: 'aws', state: 'BOOTING', intentId: 'intent-1' });
      expect(each.hourlyPriceUsd).toBeGreaterThan(0);
      expect(each.slots).toBeGreaterThan(0);
    }
  });

  it("boots them with the fleet's own user data", async () => {
    const [machine] = await running();

    const { UserData } = await ec2.send(
      new DescribeInstanceAttributeCommand({ InstanceId: machine?.instanceId ?? '', Attribute: 'userData' }),
    );

    const script = Buffer.from(UserData?.Value ?? '', 'base64').toString('utf8');
    expect(script).toMatch(/^#!\/bin\/bash\n/);
    expect(script).toContain("export SHOAL_FLEET='default'");
  });

  it('ends a machine that no row knows, at the second look (lesson 24)', async () => {
    const Tags = Object.entries({ [TAGS.stage]: STAGE, [TAGS.fleet]: 'default', [TAGS.intent]: 'forgotten' }).map(
      ([Key, Value]) => ({ Key, Value }),
    );
    const { Instances = [] } = await ec2.send(
      new RunInstancesCommand({
        ImageId: images.x86_64,
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [{ ResourceType: 'instance', Tags }],
      }),
    );
    const stranger = Instances[0]?.InstanceId;

    await tick();
    const marked = (await running()).some((each) => each.instanceId === stranger);
    world.clock.advance(60);
    await tick();

    expect(marked).toBe(true);
    expect((await running()).map((each) => each.instanceId)).not.toContain(stranger);
  });

  it('ends machines that were never ready, and launches others', async () => {
    const before = (await running()).map((each) => each.instanceId);
    world.clock.advance(900);

    const [scaled] = await tick();

    expect(world.failures).toEqual([]);
    expect(scaled?.terminated).toBe(before.length);
    const after = (await running()).map((each) => each.instanceId);
    for (const instanceId of before) expect(after).not.toContain(instanceId);
    expect(after.length).toBe(scaled?.launched);
  });
});
