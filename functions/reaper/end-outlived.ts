/**
 * Ends every machine whose lifetime is over, by what is written on the machine itself, and every one that was stopped, which
 * nothing of ours starts again. It knows no table, no queue and no fleet: whatever becomes of all else, no machine costs
 * money for ever.
 */
import type { Clock, InstanceProvider } from '../../core/ports.ts';

/** @returns the machines that were ended */
export async function endOutlived(
  provider: Pick<InstanceProvider, 'list' | 'terminate'>,
  clock: Clock,
): Promise<readonly string[]> {
  const now = clock.now().getTime();
  const observed = await provider.list();
  const outlived = observed
    .filter(
      ({ running, stopped, expiresAt }) =>
        stopped || (running && expiresAt !== undefined && Date.parse(expiresAt) <= now),
    )
    .map((each) => each.instanceId);
  if (outlived.length > 0) await provider.terminate(outlived);
  return outlived;
}
