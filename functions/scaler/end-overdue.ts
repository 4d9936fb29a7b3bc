/** Ends what must end: machines that were never ready, and those that outlived their time. */
import type { Fleet } from '../../core/fleet.ts';
import type { BootFailure } from '../../core/launch-breaker.ts';
import type { ScalePlan } from '../../core/plan-scale.ts';
import type { InstanceProvider } from '../../core/ports.ts';
import type { ScalePorts } from './scale-ports.ts';

/** @returns machines that never became ready, with what they printed last */
export async function endOverdue(
  fleet: Fleet,
  plan: ScalePlan,
  provider: InstanceProvider,
  { fleets, clock, takeBackTasks }: ScalePorts,
): Promise<readonly BootFailure[]> {
  if (plan.terminate.length === 0) return [];
  await provider.terminate(plan.terminate.map((each) => each.instanceId));
  await takeBackTasks(plan.terminate.map((each) => ({ ...each, fleet: fleet.name })));
  const at = clock.now().toISOString();
  const failed: BootFailure[] = [];
  const outlived = (reason: string): boolean => reason.endsWith('lifetime');
  // One console says what the others would. The last one written is the one that is remembered.
  const witness = plan.terminate.findLast((each) => !outlived(each.reason))?.instanceId;
  for (const { instanceId, reason } of plan.terminate) {
    const state = outlived(reason) ? 'TERMINATED' : 'FAILED';
    const told = instanceId === witness ? await withConsole(instanceId, reason, provider) : reason;
    if (state === 'FAILED') failed.push({ instanceId, reason: told, at });
    await fleets.updateInstance(fleet.name, instanceId, { state, reason: told, at });
  }
  return failed;
}

/** A console that cannot be had must not keep the rest from being done. */
async function withConsole(instanceId: string, reason: string, provider: InstanceProvider): Promise<string> {
  const tail = await provider.consoleTail?.(instanceId).catch(() => null);
  return tail ? `${reason}; its console ends: ${tail}` : reason;
}
