/**
 * Machines of somebody's own, which join a fleet of provider `external` by themselves: nobody can be asked whether one still
 * runs. Each says when its life ends (a week from its start at the latest); one that is silent beyond that is gone. Pure.
 */
import type { Sighting } from './fleet-trouble.ts';
import { hasEnded, type Instance, type InstanceState, isAnyReady } from './instance.ts';

/** Its clock may be wrong, and its last words may take a while. */
const GOODBYE_SECONDS = 300;

export const isOwn = ({ provider }: { readonly provider: string }): boolean => provider === 'external';

export interface GoneOwnMachine {
  readonly instanceId: string;
  readonly state: InstanceState;
  readonly reason: string;
}

export function goneOwnMachines(instances: readonly Instance[], now: Date): readonly GoneOwnMachine[] {
  const isGone = ({ state, expiresAt }: Instance): boolean =>
    !hasEnded(state) && now.getTime() > Date.parse(expiresAt) + GOODBYE_SECONDS * 1_000;
  return instances
    .filter(isGone)
    .map(({ instanceId, state, stateReason }) =>
      state === 'DRAINING'
        ? { instanceId, state: 'TERMINATED', reason: stateReason ?? 'its lifetime is over' }
        : { instanceId, state: 'INTERRUPTED', reason: 'its lifetime is over, and it left without a goodbye' },
    );
}

/** @param isWorkWaiting whether more machines would do anything */
export function sightingOfOwn(instances: readonly Instance[], isWorkWaiting: boolean): Sighting {
  if (isAnyReady(instances)) return { kind: 'well' };
  const isThere = instances.some(({ state }) => !hasEnded(state));
  if (isThere || !isWorkWaiting) return { kind: 'unclear' };
  return { kind: 'launch', reason: 'none of your own machines has joined it' };
}
