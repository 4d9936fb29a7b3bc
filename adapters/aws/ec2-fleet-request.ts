/** One launch as one `CreateFleet` request: every wanted pool as an override, the market named in one place only. Pure. */
import type {
  _InstanceType,
  CreateFleetCommandInput,
  FleetLaunchTemplateOverridesRequest,
  Tag,
} from '@aws-sdk/client-ec2';
import type { Choice } from '../../core/choose-instances.ts';
import type { LaunchRequest } from '../../core/launch.ts';
import type { Architecture } from '../../core/offer.ts';

/** A request stays small, and a pool that far down the list is never the one that is taken. */
const MAX_OVERRIDES = 150;

/** Of Amazon Linux 2023. */
export const ROOT_DEVICE = '/dev/xvda';
export const DISK = { VolumeType: 'gp3', Encrypted: true, DeleteOnTermination: true } as const;

export interface Subnet {
  readonly subnetId: string;
  readonly zone: string;
}

export interface FleetRequestOptions {
  readonly stage: string;
  /** The stack has one a fleet: see resources/launch-templates.ts. */
  readonly launchTemplateName: string;
  readonly subnets: readonly Subnet[];
  /** An AMI, or `resolve:ssm:` and a parameter that names one: looked up by EC2 at each launch. */
  readonly images: Readonly<Record<Architecture, string>>;
}

export const TAGS = {
  stage: 'shoal:stage',
  fleet: 'shoal:fleet',
  intent: 'shoal:intent',
  /** When the machine's lifetime ends: what the reaper goes by, which knows nothing else. */
  expiresAt: 'shoal:expires-at',
} as const;

/** The launch template of a fleet, made by the deployment. */
export const launchTemplateName = (stage: string, fleet: string): string => `shoal-${stage}-${fleet}`;

/** The choices that this request can rent: in a zone that has a subnet, and of the market of the best such one. */
export function usableChoices(choices: readonly Choice[], subnets: readonly Subnet[]): readonly Choice[] {
  const zones = new Set(subnets.map((subnet) => subnet.zone));
  const reachable = choices.filter(({ offer }) => offer.zone === null || zones.has(offer.zone));
  return reachable.filter(({ offer }) => offer.market === reachable[0]?.offer.market);
}

export function fleetRequest(
  request: LaunchRequest,
  choices: readonly Choice[],
  options: FleetRequestOptions,
): CreateFleetCommandInput {
  const spot = choices[0]?.offer.market === 'spot';
  const tags = instanceTags(request, options.stage);
  return {
    Type: 'instant',
    ClientToken: request.intentId,
    LaunchTemplateConfigs: [
      {
        LaunchTemplateSpecification: { LaunchTemplateName: options.launchTemplateName, Version: '$Latest' },
        Overrides: overridesOf(choices, options, spot),
      },
    ],
    // Here, and nowhere in the launch template: one template serves both markets.
    TargetCapacitySpecification: {
      TotalTargetCapacity: request.count,
      DefaultTargetCapacityType: spot ? 'spot' : 'on-demand',
    },
    // Options of the other market would make EC2 refuse the request, or mean nothing.
    ...(spot
      ? {
          SpotOptions: {
            AllocationStrategy: 'price-capacity-optimized',
            InstanceInterruptionBehavior: 'terminate',
          },
        }
      : { OnDemandOptions: { AllocationStrategy: 'prioritized' } }),
    TagSpecifications: [
      { ResourceType: 'instance', Tags: tags },
      { ResourceType: 'fleet', Tags: tags },
    ],
  };
}

function overridesOf(
  choices: readonly Choice[],
  { subnets, images }: FleetRequestOptions,
  spot: boolean,
): FleetLaunchTemplateOverridesRequest[] {
  const overrides = choices.flatMap(({ offer, diskGiB }, rank) =>
    subnets
      .filter((subnet) => offer.zone === null || offer.zone === subnet.zone)
      .map((subnet) => ({
        // EC2 has new types before the SDK knows their names.
        InstanceType: offer.instanceType as _InstanceType,
        SubnetId: subnet.subnetId,
        ImageId: images[offer.architecture],
        // More slots, more disk: the template only has the disk that every machine has.
        BlockDeviceMappings: [{ DeviceName: ROOT_DEVICE, Ebs: { ...DISK, VolumeSize: diskGiB } }],
        // Our ranking counts dollars a task, EC2's own only dollars an hour; for spot the pools' depth matters more.
        ...(spot ? {} : { Priority: rank }),
      })),
  );
  return overrides.slice(0, MAX_OVERRIDES);
}

function instanceTags(request: LaunchRequest, stage: string): Tag[] {
  const tags: Readonly<Record<string, string>> = {
    Name: `shoal-${stage}-${request.fleet}`,
    [TAGS.stage]: stage,
    [TAGS.fleet]: request.fleet,
    [TAGS.intent]: request.intentId,
    ...(request.expiresAt ? { [TAGS.expiresAt]: request.expiresAt } : {}),
  };
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}
