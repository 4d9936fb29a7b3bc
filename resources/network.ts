/**
 * Where machines are launched: a small VPC of the stack's own, or subnets that the deployment names.
 *
 * The own one has public subnets and no way in: machines must reach the internet (repositories, package registries), a NAT
 * gateway would cost more than most fleets, and a security group without rules for what comes in lets nobody reach them. S3
 * and DynamoDB are reached through gateway endpoints, which cost nothing.
 */
import { z } from 'zod';
import type { CloudFormationResource, CloudFormationResources } from './cloudformation.ts';

export const networkSchema = z
  .object({
    /** Of subnets that exist, separated by commas; empty for a VPC of the stack's own. */
    subnetIds: z.string().transform((text) =>
      text
        .split(',')
        .map((id) => id.trim())
        .filter(Boolean),
    ),
    /** The VPC that those subnets are in. */
    vpcId: z.string(),
    /** In how many zones the own VPC has a subnet: more zones, more spot pools. us-west-1 has two. */
    zones: z.coerce.number().int().min(1).max(6),
  })
  .refine(({ subnetIds, vpcId }) => subnetIds.length > 0 === (vpcId !== ''), {
    path: ['vpcId'],
    message: 'subnetIds and vpcId belong together: name both, or neither',
  });
export type Network = z.infer<typeof networkSchema>;

const RANGE = '10.213.0.0/16';
const stackTag = (name: string): { Tags: { Key: string; Value: string }[] } => ({
  Tags: [{ Key: 'Name', Value: name }],
});
const subnetLogicalId = (index: number): string => `WorkerSubnet${index + 1}`;
const indices = ({ zones }: Network): number[] => Array.from({ length: zones }, (_, index) => index);

/** What the scaler is told: ids with commas between them. */
export function subnetIds(network: Network): unknown {
  if (network.subnetIds.length > 0) return network.subnetIds.join(',');
  return { 'Fn::Join': [',', indices(network).map((index) => ({ Ref: subnetLogicalId(index) }))] };
}

export function networkResources(network: Network, stage: string): CloudFormationResources {
  const own = network.subnetIds.length === 0;
  return {
    ...(own ? ownNetwork(network, `shoal-${stage}`) : {}),
    WorkerSecurityGroup: {
      Type: 'AWS::EC2::SecurityGroup',
      Properties: {
        GroupDescription: `Machines of shoal-${stage}: out, never in`,
        VpcId: own ? { Ref: 'WorkerVpc' } : network.vpcId,
        SecurityGroupEgress: [{ IpProtocol: '-1', CidrIp: '0.0.0.0/0', Description: 'to wherever tasks need to go' }],
        ...stackTag(`shoal-${stage}`),
      },
    },
  };
}

function ownNetwork(network: Network, name: string): CloudFormationResources {
  const subnets = indices(network).flatMap((index): [string, CloudFormationResource][] => [
    [subnetLogicalId(index), subnet(index, name)],
    [
      `${subnetLogicalId(index)}Routes`,
      {
        Type: 'AWS::EC2::SubnetRouteTableAssociation',
        Properties: { SubnetId: { Ref: subnetLogicalId(index) }, RouteTableId: { Ref: 'WorkerRoutes' } },
      },
    ],
  ]);
  return {
    WorkerVpc: {
      Type: 'AWS::EC2::VPC',
      Properties: { CidrBlock: RANGE, EnableDnsSupport: true, EnableDnsHostnames: true, ...stackTag(name) },
    },
    WorkerGateway: { Type: 'AWS::EC2::InternetGateway', Properties: stackTag(name) },
    WorkerGatewayAttachment: {
      Type: 'AWS::EC2::VPCGatewayAttachment',
      Properties: { VpcId: { Ref: 'WorkerVpc' }, InternetGatewayId: { Ref: 'WorkerGateway' } },
    },
    WorkerRoutes: { Type: 'AWS::EC2::RouteTable', Properties: { VpcId: { Ref: 'WorkerVpc' }, ...stackTag(name) } },
    WorkerDefaultRoute: {
      Type: 'AWS::EC2::Route',
      // Nothing in its properties says so, but a route through a gateway needs the gateway attached.
      DependsOn: 'WorkerGatewayAttachment',
      Properties: {
        RouteTableId: { Ref: 'WorkerRoutes' },
        DestinationCidrBlock: '0.0.0.0/0',
        GatewayId: { Ref: 'WorkerGateway' },
      },
    },
    WorkerS3Endpoint: gatewayEndpoint('s3'),
    WorkerDynamoDbEndpoint: gatewayEndpoint('dynamodb'),
    ...Object.fromEntries(subnets),
  };
}

/** 4,091 addresses each: more machines than a fleet may have. */
const subnet = (index: number, name: string): CloudFormationResource => ({
  Type: 'AWS::EC2::Subnet',
  Properties: {
    VpcId: { Ref: 'WorkerVpc' },
    AvailabilityZone: { 'Fn::Select': [index, { 'Fn::GetAZs': '' }] },
    CidrBlock: `10.213.${index * 16}.0/20`,
    MapPublicIpOnLaunch: true,
    ...stackTag(`${name}-${index + 1}`),
  },
});

const gatewayEndpoint = (service: string): CloudFormationResource => ({
  Type: 'AWS::EC2::VPCEndpoint',
  Properties: {
    VpcEndpointType: 'Gateway',
    VpcId: { Ref: 'WorkerVpc' },
    ServiceName: { 'Fn::Sub': `com.amazonaws.\${AWS::Region}.${service}` },
    RouteTableIds: [{ Ref: 'WorkerRoutes' }],
  },
});
