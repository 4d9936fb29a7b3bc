/** What a `CreateFleet` of type `instant` brought: machines with their price, and why the others could not be had. Pure. */
import type {
  CreateFleetCommandOutput,
  CreateFleetError,
  CreateFleetInstance,
  FleetLaunchTemplateOverrides,
} from '@aws-sdk/client-ec2';
import type { Choice } from '../../core/choose-instances.ts';
import type { LaunchError, LaunchedInstance, LaunchOutcome } from '../../core/launch.ts';
import { poolOf } from '../../core/offer.ts';
import type { Subnet } from './ec2-fleet-request.ts';
import { classifyLaunchError, launchAdvice } from './ec2-launch-errors.ts';

export interface FleetRequested {
  readonly count: number;
  /** All of one market. */
  readonly choices: readonly Choice[];
  readonly subnets: readonly Subnet[];
  readonly launchedAt: string;
}

/** The answer may hold machines and errors at once: what counts is what was launched, and what is missing. */
export function fleetOutcome(answer: CreateFleetCommandOutput, requested: FleetRequested): LaunchOutcome {
  const launched = (answer.Instances ?? []).flatMap((group) => launchedInstances(group, requested));
  const errors = launchErrors(answer.Errors ?? [], requested);
  if (launched.length >= requested.count) return { launched, errors: [] };
  if (errors.length > 0) return { launched, errors };
  // EC2 names no reason where it merely found too little: as if it had said that there was none.
  return {
    launched,
    errors: [launchError('UnfulfillableCapacity', shortfall(launched.length, requested), poolsOfAll(requested))],
  };
}

const shortfall = (launched: number, { count }: FleetRequested): string =>
  `${count - launched} of ${count} could not be had`;

function launchedInstances(group: CreateFleetInstance, requested: FleetRequested): LaunchedInstance[] {
  const { launchedAt } = requested;
  const instanceType = group.InstanceType ?? group.LaunchTemplateAndOverrides?.Overrides?.InstanceType ?? 'unknown';
  const choice = choiceOf(instanceType, zoneOf(group.LaunchTemplateAndOverrides?.Overrides, requested), requested);
  return (group.InstanceIds ?? []).map((instanceId) => ({
    instanceId,
    instanceType,
    hourlyPriceUsd: choice?.hourlyPriceUsd ?? 0,
    launchedAt,
    ...(choice ? { slots: choice.slots } : {}),
  }));
}

/** One error for each code, with every pool that it was said of. */
function launchErrors(errors: readonly CreateFleetError[], requested: FleetRequested): LaunchError[] {
  const byCode = Map.groupBy(errors, (error) => error.ErrorCode ?? 'Unknown');
  return [...byCode].map(([code, group]) => {
    const overrides = group.flatMap((error) => error.LaunchTemplateAndOverrides?.Overrides ?? []);
    const pools = overrides.length > 0 ? poolsOf(overrides, requested) : poolsOfAll(requested);
    return launchError(code, group[0]?.ErrorMessage ?? '', pools);
  });
}

/** An error of the launch itself, of all pools or of those named. */
export function launchError(code: string, message: string, pools: readonly string[]): LaunchError {
  const kind = classifyLaunchError(code);
  const text = [`${code}: ${message}`, launchAdvice(code)].filter(Boolean).join(' — ');
  return { code, kind, message: text, retryable: kind !== 'configuration', pools };
}

/** The pools that were refused; an offer of a whole region is refused once each of its zones is. */
function poolsOf(overrides: readonly FleetLaunchTemplateOverrides[], requested: FleetRequested): string[] {
  const refused = new Set(overrides.map((each) => `${each.InstanceType}/${zoneOf(each, requested) ?? '*'}`));
  const zones = [...new Set(requested.subnets.map((subnet) => subnet.zone))];
  return requested.choices.flatMap(({ offer }) => {
    const within = offer.zone === null ? zones : [offer.zone];
    const gone = within.filter((zone) => refused.has(`${offer.instanceType}/${zone}`));
    const all = offer.zone === null && gone.length === zones.length ? [offer] : [];
    return [...gone.map((zone) => ({ ...offer, zone })), ...all].map(poolOf);
  });
}

const zoneOf = (overrides: FleetLaunchTemplateOverrides | undefined, { subnets }: FleetRequested): string | undefined =>
  overrides?.AvailabilityZone ?? subnets.find((subnet) => subnet.subnetId === overrides?.SubnetId)?.zone;

const poolsOfAll = ({ choices }: FleetRequested): string[] => choices.map(({ offer }) => poolOf(offer));

/** What this machine was rented as; a choice of another zone tells its price well enough. */
const choiceOf = (instanceType: string, zone: string | undefined, { choices }: FleetRequested): Choice | undefined => {
  const ofType = choices.filter(({ offer }) => offer.instanceType === instanceType);
  return (
    ofType.find(({ offer }) => offer.zone === zone) ?? ofType.find(({ offer }) => offer.zone === null) ?? ofType[0]
  );
};
