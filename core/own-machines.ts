/**
 * Machines of somebody's own, which join a fleet of provider `external` by themselves: nobody can be asked whether one still
 * runs. Each says when its life ends (a week from its start at the latest); one that is silent beyond that is gone. Pure.
 */
import type { Sighting } from './fleet-trouble.ts';
import { hasEnded, type Instance, isAnyReady } from './instance.ts';
import type { GoneInstance } from './reconcile-instances.ts';

/** Its clock may be wrong, and its last words may take a while. */
const GOODBYE_SECONDS = 300;

export const isOwn = ({ provider }: { readonly provider: string }): boolean => provider === 'external';

export function goneOwnMachines(instances: readonly Instance[], now: Date): readonly GoneInstance[] {
  return instances.flatMap((row): GoneInstance[] => {
    const since = new Date(Date.parse(row.expiresAt) + GOODBYE_SECONDS * 1_000);
    if (hasEnded(row.state) || now <= since) return [];
    const gone = { row, mark: { instanceId: row.instanceId, since: since.toISOString() } };
    return row.state === 'DRAINING'
      ? [{ ...gone, state: 'TERMINATED', reason: row.stateReason ?? 'its lifetime is over' }]
      : [{ ...gone, state: 'INTERRUPTED', reason: 'its lifetime is over, and it left without a goodbye' }];
  });
}

/** @param isWorkWaiting whether more machines would do anything */
export function sightingOfOwn(instances: readonly Instance[], isWorkWaiting: boolean): Sighting {
  if (isAnyReady(instances)) return { kind: 'well' };
  const isThere = instances.some(({ state }) => !hasEnded(state));
  if (isThere || !isWorkWaiting) return { kind: 'unclear' };
  return { kind: 'launch', reason: 'none of your own machines has joined it' };
}
