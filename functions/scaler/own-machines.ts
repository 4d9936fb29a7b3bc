/**
 * A fleet of somebody's own machines: nothing is launched and nothing ended from here. Rows of machines that are gone without
 * a goodbye are closed, and what they held goes to others.
 */
import type { Fleet } from '../../core/fleet.ts';
import { troubleAfter } from '../../core/fleet-trouble.ts';
import { goneOwnMachines, sightingOfOwn } from '../../core/own-machines.ts';
import type { ScalePlan } from '../../core/plan-scale.ts';
import type { FleetRead } from '../../core/ports.ts';
import { closeLost } from './close-lost.ts';
import type { FleetJob } from './fleet-job.ts';
import { recordPlan } from './record-plan.ts';
import type { ScaledFleet, ScalePorts } from './scale-ports.ts';
import { tellReason } from './tell-jobs.ts';

export async function tendOwnMachines(
  fleet: Fleet,
  jobs: readonly FleetJob[],
  plan: ScalePlan,
  { state, instances }: FleetRead,
  ports: ScalePorts,
  reportsUntil: () => Promise<Date | null>,
): Promise<ScaledFleet> {
  const now = ports.clock.now();
  const gone = goneOwnMachines(instances, now);
  const closed = await closeLost(fleet, gone, ports, reportsUntil);

  const left = new Set(gone.map(({ row }) => row.instanceId));
  const sighting = sightingOfOwn(
    instances.filter(({ instanceId }) => !left.has(instanceId)),
    plan.wanted > 0,
  );
  const trouble = troubleAfter(state.trouble ?? null, sighting, now);
  const ends = closed.map(({ row, reason }) => `${row.instanceId}: ${reason}`);
  const told = { ...plan, reasons: [...plan.reasons, ...ends] };
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
