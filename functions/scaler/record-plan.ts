/** A fleet's plan as it is kept, for people to read. */
import type { Fleet } from '../../core/fleet.ts';
import type { ScalePlan } from '../../core/plan-scale.ts';
import type { FleetState } from '../../core/ports.ts';
import { liveIntents } from './launch-machines.ts';
import type { ScalePorts } from './scale-ports.ts';

/** A plan that changes nothing is written only when it says something new. */
export async function recordPlan(
  fleet: Fleet,
  plan: ScalePlan,
  state: FleetState,
  { suspects, stockOuts, trouble }: Pick<FleetState, 'suspects' | 'stockOuts' | 'trouble'>,
  ports: Pick<ScalePorts, 'fleets' | 'clock'>,
): Promise<void> {
  const now = ports.clock.now();
  const intents = liveIntents(state, now);
  const same =
    intents.length === state.intents.length &&
    JSON.stringify(state.lastPlan?.reasons) === JSON.stringify(plan.reasons) &&
    JSON.stringify(state.suspects ?? []) === JSON.stringify(suspects ?? []) &&
    JSON.stringify(state.stockOuts ?? []) === JSON.stringify(stockOuts ?? []) &&
    JSON.stringify(state.trouble ?? null) === JSON.stringify(trouble ?? null);
  if (same) return;
  const next = { intents, lastPlan: { ...plan, at: now.toISOString() }, suspects, stockOuts, trouble };
  // Whoever wrote in between has the newer plan.
  await ports.fleets.writeState(fleet.name, next, state.version);
}
