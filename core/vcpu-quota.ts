/**
 * How far quotas let fleets grow. Providers count vCPUs, by quotas that several machine types share; a fleet is bounded in
 * machines. Between the two stands the smallest machine that holds a slot: with it a fleet has the most machines that it can
 * have. Larger ones, which may be cheaper a task, use the same quota up with fewer.
 */
import { type MachineShape, slotsOn } from './choose-instances.ts';
import type { Fleet } from './fleet.ts';

/** What a fleet's machines count against, and the smallest of those machines. */
export interface QuotaNeed {
  readonly quota: string;
  readonly smallest: MachineShape;
}

export type FleetNeeds = Pick<Fleet, 'slot' | 'architectures' | 'allowedTypes' | 'gpu'>;

/**
 * Every quota that the fleet can draw on, the one with the smallest machine first; among equals the one that more of the
 * fleet's machines count against.
 *
 * @param quotaOf `undefined` for a machine that no known quota counts
 */
export function quotaNeeds(
  fleet: FleetNeeds,
  machines: readonly MachineShape[],
  quotaOf: (instanceType: string) => string | undefined,
): readonly QuotaNeed[] {
  const fitting = machines.filter((machine) => 'slots' in slotsOn(fleet, machine));
  const byQuota = Map.groupBy(fitting, ({ instanceType }) => quotaOf(instanceType));
  return [...byQuota]
    .flatMap(([quota, counted]) => {
      const [smallest] = counted.toSorted(bySize);
      return quota === undefined || !smallest ? [] : [{ quota, smallest, types: counted.length }];
    })
    .sort((a, b) => a.smallest.vcpus - b.smallest.vcpus || b.types - a.types)
    .map(({ quota, smallest }) => ({ quota, smallest }));
}

const bySize = (a: MachineShape, b: MachineShape): number =>
  a.vcpus - b.vcpus || a.memoryMiB - b.memoryMiB || (a.instanceType < b.instanceType ? -1 : 1);

/** How many machines a quota holds, if nothing else counts against it. */
export const machinesWithin = (limitVcpus: number, { smallest }: QuotaNeed): number =>
  Math.floor(limitVcpus / smallest.vcpus);
