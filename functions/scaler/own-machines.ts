/**
 * A fleet of somebody's own machines: nothing is launched and nothing ended from here. Rows of machines that are gone without
 * a goodbye are closed, and what they held goes to others.
 */
import type { Fleet } from '../../core/fleet.ts';
import { troubleAfter } from '../../core/fleet-trouble.ts';
import { goneOwnMachines, sightingOfOwn } from '../../core/own-machines.ts';
import type { ScalePlan } from '../../core/plan-scale.ts';
import type { FleetRead } from '../../core/ports.ts';
import type { FleetJob } from './fleet-job.ts';
import { recordPlan } from './record-plan.ts';
import type { ScaledFleet } from './scale-fleet.ts';
import type { ScalePorts } from './scale-ports.ts';
import { tellReason } from './tell-jobs.ts';

export async function tendOwnMachines(
  fleet: Fleet,
  jobs: readonly FleetJob[],
  plan: ScalePlan,
  { state, instances }: FleetRead,
  ports: ScalePorts,
): Promise<ScaledFleet> {
  const now = ports.clock.now();
  const gone = goneOwnMachines(instances, now);
  // First, while their rows still say that they run: a run that dies here finds them again.
  await ports.takeBackTasks(gone.map(({ instanceId, reason }) => ({ fleet: fleet.name, instanceId, reason })));
  const at = now.toISOString();
  for (const { instanceId, ...end } of gone) await ports.fleets.updateInstance(fleet.name, instanceId, { ...end, at });

  const left = new Set(gone.map(({ instanceId }) => instanceId));
  const sighting = sightingOfOwn(
    instances.filter(({ instanceId }) => !left.has(instanceId)),
    plan.wanted > 0,
  );
  const trouble = troubleAfter(state.trouble ?? null, sighting, now);
  const told = { ...plan, reasons: [...plan.reasons, ...gone.map((each) => `${each.instanceId}: ${each.reason}`)] };
  await recordPlan(fleet, told, state, { ...state, trouble }, ports);
  if (sighting.kind === 'launch') {
    await tellReason(
      jobs,
      { instanceId: null, reason: `no machine works for ${fleet.name}: ${sighting.reason}` },
      ports,
    );
  }
  return { fleet: fleet.name, plan: told, launched: 0, terminated: 0, breaker: 'closed' };
}
