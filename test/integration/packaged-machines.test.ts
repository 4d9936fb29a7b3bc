/** What machines are launched with and into, read from the packaged template. */
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { makeArtifacts } from '../../plugins/artifacts.ts';
import { AWS } from '../../worker-bootstrap/platforms/aws.ts';
import { type PackagedStack, packageStack, STAGE } from './packaged-stack.ts';

let stack: PackagedStack;

beforeAll(async () => {
  stack = await packageStack();
});

const templateOf = (logicalId = 'LaunchTemplateDefault') => stack.get(logicalId).Properties.LaunchTemplateData;

/** Longer than any of them is. */
const RESOLVED: Readonly<Record<string, string>> = {
  'AWS::Region': 'ap-southeast-2',
  'AWS::URLSuffix': 'amazonaws.com',
  'AWS::AccountId': '123456789012',
  DataBucket: 'shoal-data-production-123456789012-ap-southeast-2',
  StatusQueue: 'https://sqs.ap-southeast-2.amazonaws.com/123456789012/shoal-status-production',
};

const joinSchema = z.object({
  'Fn::Base64': z.object({
    'Fn::Join': z.tuple([z.literal(''), z.array(z.union([z.string(), z.object({ Ref: z.string() })]))]),
  }),
});

/** The user data as a machine gets it. */
function userData(): string {
  const [, parts] = joinSchema.parse(templateOf().UserData)['Fn::Base64']['Fn::Join'];
  return parts.map((part) => (typeof part === 'string' ? part : (RESOLVED[part.Ref] ?? `no ${part.Ref}`))).join('');
}

describe('the launch template of a fleet', () => {
  it('is there for each fleet on EC2, named as the scaler will ask for it, and tagged', () => {
    expect(stack.ofType('AWS::EC2::LaunchTemplate').map(([, { Properties }]) => Properties.LaunchTemplateName)).toEqual(
      [`shoal-${STAGE}-default`],
    );
    expect(stack.get('LaunchTemplateDefault').Properties.TagSpecifications).toEqual([
      {
        ResourceType: 'launch-template',
        Tags: [
          { Key: 'shoal:stage', Value: STAGE },
          { Key: 'shoal:fleet', Value: 'default' },
        ],
      },
    ]);
  });

  it('answers metadata requests with tokens only, one hop far', () => {
    expect(templateOf().MetadataOptions).toEqual({
      HttpEndpoint: 'enabled',
      HttpTokens: 'required',
      HttpPutResponseHopLimit: 1,
    });
  });

  it('makes a machine that switches itself off end, with its encrypted disk (lesson 24)', () => {
    expect(templateOf().InstanceInitiatedShutdownBehavior).toBe('terminate');
    expect(templateOf().BlockDeviceMappings).toEqual([
      {
        DeviceName: '/dev/xvda',
        Ebs: { VolumeType: 'gp3', Encrypted: true, DeleteOnTermination: true, VolumeSize: 13 },
      },
    ]);
  });

  it('says nothing of a market (lesson 32)', () => {
    expect(JSON.stringify(templateOf())).not.toMatch(/spot|InstanceMarketOptions/i);
  });

  it('boots with what was packaged, under its hash, and fits into its limit once everything has its name', async () => {
    const { agent, bootstrap } = await makeArtifacts(process.cwd());

    const script = userData();

    expect(script).toContain(`export SHOAL_AGENT_SHA256='${agent.sha256}'`);
    expect(script).toContain(`url='s3://${RESOLVED['DataBucket']}/${bootstrap.key}' sha256='${bootstrap.sha256}'`);
    expect(script).toContain(`export SHOAL_STATUS_QUEUE_URL='${RESOLVED['StatusQueue']}'`);
    expect(script).toContain("export SHOAL_QUEUE_URL_PREFIX='https://sqs.ap-southeast-2.amazonaws.com/123456789012/'");
    expect(script).toContain("export SHOAL_MAX_LIFETIME_SECONDS='86400'");
    expect(script).not.toContain('SHOAL_SLOTS=');
    expect(script).not.toMatch(/no [A-Z]\w+|<<\w/);
    expect(Buffer.byteLength(script)).toBeLessThan(AWS.maxBytes + 400);
  });
});

describe("the stack's own network", () => {
  it('has a public subnet in each of three zones, and no way in', () => {
    const subnets = stack.ofType('AWS::EC2::Subnet').map(([, { Properties }]) => Properties);

    expect(subnets).toHaveLength(3);
    expect(new Set(subnets.map((subnet) => subnet.CidrBlock)).size).toBe(3);
    for (const subnet of subnets) expect(subnet.MapPublicIpOnLaunch).toBe(true);
    const groups = stack.ofType('AWS::EC2::SecurityGroup').map(([, { Properties }]) => Properties);
    expect(groups).toHaveLength(1);
    expect(groups[0]).not.toHaveProperty('SecurityGroupIngress');
    expect(stack.ofType('AWS::EC2::SecurityGroupIngress')).toEqual([]);
  });

  it('reaches S3 and DynamoDB by endpoints that cost nothing, and pays for no NAT gateway', () => {
    const endpoints = stack.ofType('AWS::EC2::VPCEndpoint').map(([, { Properties }]) => Properties);

    expect(endpoints.map((each) => each.VpcEndpointType)).toEqual(['Gateway', 'Gateway']);
    expect(stack.ofType('AWS::EC2::NatGateway')).toEqual([]);
  });

  it('is what the scaler launches into', () => {
    const { SUBNET_IDS, IMAGE_ARM64 } = stack.functionNamed('scaler').Properties.Environment.Variables;

    expect(SUBNET_IDS).toEqual({
      'Fn::Join': [',', ['WorkerSubnet1', 'WorkerSubnet2', 'WorkerSubnet3'].map((Ref) => ({ Ref }))],
    });
    expect(IMAGE_ARM64).toMatch(/^resolve:ssm:\/aws\/service\/ami-amazon-linux-latest\/al2023-.*-arm64$/);
  });
});

describe('the scaler', () => {
  it('is woken when a machine goes', () => {
    const patterns = stack.ofType('AWS::Events::Rule').map(([, { Properties }]) => Properties.EventPattern);

    expect(patterns).toContainEqual({
      source: ['aws.ec2'],
      'detail-type': ['EC2 Instance State-change Notification'],
      detail: { state: ['shutting-down', 'stopping'] },
    });
    expect(patterns).toContainEqual({
      source: ['aws.ec2'],
      'detail-type': ['EC2 Spot Instance Interruption Warning'],
    });
  });
});
