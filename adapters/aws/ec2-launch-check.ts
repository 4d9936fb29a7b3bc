/**
 * Whether machines could be launched at all, asked of EC2 without launching any: what a first deployment may lack, each
 * with what to do about it. A dry run says nothing of quotas (`ec2-quotas.ts`).
 */
import { CreateFleetCommand, DescribeSubnetsCommand, type EC2Client, EC2ServiceException } from '@aws-sdk/client-ec2';
import { launchTemplateName } from './ec2-fleet-request.ts';
import { launchAdvice } from './ec2-launch-errors.ts';

export interface LaunchFinding {
  readonly what: string;
  readonly ok: boolean;
  /** In words for people, with what they can do. */
  readonly message: string;
}

export interface LaunchCheckOptions {
  readonly client: EC2Client;
  readonly stage: string;
  readonly subnetIds: readonly string[];
  /** Those on AWS, each with its maximum. */
  readonly fleets: readonly { readonly name: string; readonly maxInstances: number }[];
}

export async function checkLaunches(options: LaunchCheckOptions): Promise<readonly LaunchFinding[]> {
  const fleets = await Promise.all(options.fleets.map((fleet) => checkFleet(fleet.name, options)));
  return [await checkSubnets(options), ...fleets];
}

async function checkSubnets({ client, subnetIds, fleets }: LaunchCheckOptions): Promise<LaunchFinding> {
  const what = 'subnets';
  if (subnetIds.length === 0) return { what, ok: false, message: 'no subnet is named to launch machines into' };
  try {
    const { Subnets = [] } = await client.send(new DescribeSubnetsCommand({ SubnetIds: [...subnetIds] }));
    const free = Subnets.reduce((sum, subnet) => sum + (subnet.AvailableIpAddressCount ?? 0), 0);
    const most = fleets.reduce((sum, fleet) => sum + fleet.maxInstances, 0);
    const zones = new Set(Subnets.map((subnet) => subnet.AvailabilityZone)).size;
    if (free >= most) return { what, ok: true, message: `${free} free addresses in ${zones} zones` };
    const advice = 'name larger subnets, or more of them';
    return { what, ok: false, message: `${free} free addresses, but fleets of up to ${most} machines — ${advice}` };
  } catch (error) {
    return { what, ok: false, message: told(error) };
  }
}

/** A dry run: EC2 says what it would refuse, and launches nothing ("CreateFleet", DryRun). */
async function checkFleet(fleet: string, { client, stage, subnetIds }: LaunchCheckOptions): Promise<LaunchFinding> {
  const what = `fleet ${fleet}`;
  const ready = { what, ok: true, message: 'EC2 would launch machines of it' };
  const LaunchTemplateSpecification = { LaunchTemplateName: launchTemplateName(stage, fleet), Version: '$Latest' };
  const Overrides = subnetIds.slice(0, 1).map((SubnetId) => ({ InstanceType: 'c7g.large' as const, SubnetId }));
  try {
    await client.send(
      new CreateFleetCommand({
        DryRun: true,
        Type: 'instant',
        LaunchTemplateConfigs: [{ LaunchTemplateSpecification, Overrides }],
        TargetCapacitySpecification: { TotalTargetCapacity: 1, DefaultTargetCapacityType: 'spot' },
      }),
    );
    return ready;
  } catch (error) {
    return error instanceof EC2ServiceException && error.name === 'DryRunOperation'
      ? ready
      : { what, ok: false, message: told(error) };
  }
}

const told = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return [`${error.name}: ${error.message}`, launchAdvice(error.name)].filter(Boolean).join(' — ');
};
