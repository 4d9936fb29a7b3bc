/** What a bulk insert brought: machines with their price, and why the others could not be had. Pure. */
import type { Choice } from '../../core/choose-instances.ts';
import type { LaunchError, LaunchedInstance, LaunchOutcome } from '../../core/launch.ts';
import { poolOf } from '../../core/offer.ts';
import { instanceIdOf, instanceOfLink, nameOfLink } from './gce-instance-id.ts';
import type { ListedInstance } from './gce-instance-list.ts';
import { launchError } from './gce-launch-errors.ts';
import type { Operation, OperationError } from './gce-operations.ts';

export interface BulkRequested {
  readonly count: number;
  /** All of one market. */
  readonly choices: readonly Choice[];
  readonly launchedAt: string;
}

/**
 * @param operation of the request, ended
 * @param listed what carries the label of the intent
 * @param group the operations of the single machines, where some are missing from the list
 */
export function bulkOutcome(
  operation: Operation,
  listed: readonly ListedInstance[],
  group: readonly Operation[],
  requested: BulkRequested,
): LaunchOutcome {
  const launched = new Map(listed.map((each) => [idOfListed(each), launchedInstance(each, requested)]));
  // One that has ended already is not listed, but it was launched: for this intent nothing is launched again.
  for (const { operationType, targetLink = '', error } of group) {
    const instance = instanceOfLink(targetLink);
    const made = operationType === 'insert' || operationType === 'bulkInsert';
    if (!made || error || !instance || launched.has(instanceIdOf(instance))) continue;
    launched.set(instanceIdOf(instance), endedInstance(instanceIdOf(instance), requested));
  }
  const machines = [...launched.values()];
  if (machines.length >= requested.count) return { launched: machines, errors: [] };
  const said = [operation, ...group].flatMap(({ error }) => error?.errors ?? []);
  return { launched: machines, errors: launchErrors(said, machines.length, requested) };
}

function launchErrors(said: readonly OperationError[], launched: number, requested: BulkRequested): LaunchError[] {
  const shortfall = `${requested.count - launched} of ${requested.count} could not be had`;
  // Compute Engine names no reason where it merely found too little: as if it had said that there was none.
  if (said.length === 0) return [launchError('RESOURCE_POOL_EXHAUSTED', shortfall, poolsOf([], requested))];
  return [...Map.groupBy(said, ({ code }) => code)].map(([code, errors]) =>
    launchError(code, errors[0]?.message || shortfall, poolsOf(errors, requested)),
  );
}

/** The pools that it was said of: those of the types that are named, or all that were asked for. */
function poolsOf(errors: readonly OperationError[], { choices }: BulkRequested): string[] {
  const types = new Set(errors.flatMap(typesNamed));
  const meant = choices.filter(({ offer }) => types.size === 0 || types.has(offer.instanceType));
  return [...new Set(meant.map(({ offer }) => poolOf(offer)))];
}

const typesNamed = ({ errorDetails = [] }: OperationError): string[] =>
  errorDetails.flatMap(({ errorInfo }) => errorInfo?.metadatas?.['vmType'] ?? []);

const idOfListed = ({ zone, name }: ListedInstance): string => instanceIdOf({ zone: nameOfLink(zone), name });

function launchedInstance(listed: ListedInstance, { choices, launchedAt }: BulkRequested): LaunchedInstance {
  const instanceType = listed.machineType ? nameOfLink(listed.machineType) : 'unknown';
  const choice = choices.find(({ offer }) => offer.instanceType === instanceType);
  return {
    instanceId: idOfListed(listed),
    instanceType,
    hourlyPriceUsd: choice?.hourlyPriceUsd ?? 0,
    launchedAt,
    ...(choice ? { slots: choice.slots } : {}),
  };
}

const endedInstance = (instanceId: string, { launchedAt }: BulkRequested): LaunchedInstance => ({
  instanceId,
  instanceType: 'unknown',
  hourlyPriceUsd: 0,
  launchedAt,
});
