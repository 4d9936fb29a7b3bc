/** What machines that were taken back before they were ready say of their fleet: there is hardly any to be had. Pure. */
import { troubleAfter } from '../../core/fleet-trouble.ts';
import { isAnyReady } from '../../core/instance.ts';
import { type Offer, poolOf } from '../../core/offer.ts';
import type { FleetState } from '../../core/ports.ts';
import { type GoneInstance, isTakenBackInBoot } from '../../core/reconcile-instances.ts';
import { withSoldOut } from '../../core/stock-outs.ts';
import type { KnownMachines } from './known-machines.ts';

/** Other types are asked for first; and it is trouble of the fleet, unless one of its machines works. */
export function noteTakenBack(
  { state, instances, closed }: KnownMachines,
  offers: readonly Offer[],
  now: Date,
): FleetState {
  const taken = closed.filter(isTakenBackInBoot);
  const last = taken.at(-1);
  if (!last) return state;
  const types = new Set(taken.map(({ row }) => row.instanceType));
  const pools = offers.filter(({ market, instanceType }) => market === 'spot' && types.has(instanceType)).map(poolOf);
  const stockOuts = withSoldOut(state.stockOuts ?? [], pools, now);
  if (isAnyReady(instances)) return { ...state, stockOuts };
  return { ...state, stockOuts, trouble: troubleAfter(state.trouble ?? null, sightingOf(last), now) };
}

const sightingOf = ({ reason }: GoneInstance) =>
  ({ kind: 'taken', reason: `its machines are taken back before they are ready: ${reason}` }) as const;
