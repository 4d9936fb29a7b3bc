/** Machines that are gone: what they held goes to others at once, their rows are closed when their last words are read. */
import type { Fleet } from '../../core/fleet.ts';
import { type GoneInstance, heardOut } from '../../core/reconcile-instances.ts';
import type { ScalePorts } from './scale-ports.ts';

/** @returns those whose rows are closed: they have said nothing else */
export async function closeLost(
  fleet: Fleet,
  gone: readonly GoneInstance[],
  { fleets, clock, takeBackTasks }: ScalePorts,
  reportsUntil: () => Promise<Date | null>,
): Promise<readonly GoneInstance[]> {
  if (gone.length === 0) return [];
  const closed = heardOut(gone, await reportsUntil(), clock.now());
  // One that was draining has given back what it held: that, too, may still have to be read.
  const lost = gone.filter((each) => each.row.state !== 'DRAINING' || closed.includes(each));
  // First, while their rows still say that they run: a run that dies here finds them again.
  await takeBackTasks(
    lost.map(({ row, reason }) => ({ fleet: fleet.name, instanceId: row.instanceId, reason: reason ?? 'gone' })),
  );
  for (const { row, state, reason, mark } of closed) {
    await fleets.updateInstance(fleet.name, row.instanceId, { state, reason, at: mark.since });
  }
  return closed;
}
