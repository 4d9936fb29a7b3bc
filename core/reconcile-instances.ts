/**
 * What we know of a fleet's machines, held against what the provider says: `reconcileInstances`.
 *
 * - A machine with an intent of ours and no row was launched by a run that died before it could write: it is adopted.
 * - A row whose machine the provider no longer runs has ended; if nobody said goodbye, it was lost.
 * - A machine that neither row nor intent explains is unknown, and reported for the sweep.
 */
import { hasEnded, type Instance, type LaunchIntent } from './instance.ts';

/** A machine as its provider sees it. */
export interface ObservedInstance {
  readonly instanceId: string;
  readonly fleet: string;
  readonly intentId: string | null;
  readonly running: boolean;
  readonly launchedAt: string;
  /** Why it ended, as the provider says it. */
  readonly endReason?: string;
  /** It was taken back: it ended by no fault of its own. */
  readonly interrupted?: boolean;
}

export interface Reconciliation {
  readonly adopt: readonly ObservedInstance[];
  readonly ended: readonly Instance[];
  readonly unknown: readonly ObservedInstance[];
}

/**
 * Compares rows with the provider's list. Pure.
 * @param graceSeconds a machine younger than this may not be listed yet (EC2 is eventually consistent)
 */
export function reconcileInstances(
  rows: readonly Instance[],
  observed: readonly ObservedInstance[],
  intents: readonly LaunchIntent[],
  now: Date,
  graceSeconds: number,
): Reconciliation {
  // A machine may report before its launch is recorded: its row says nothing of the launch yet.
  const known = new Set(rows.filter((row) => row.provider !== 'unknown').map((row) => row.instanceId));
  const ours = new Set(intents.map((intent) => intent.intentId));
  const running = new Map(observed.filter((each) => each.running).map((each) => [each.instanceId, each]));
  const strangers = [...running.values()].filter((each) => !known.has(each.instanceId));
  const reported = new Set(rows.map((row) => row.instanceId));
  const isOurs = (each: ObservedInstance): boolean => each.intentId !== null && ours.has(each.intentId);

  const ended = rows.flatMap((row): Instance[] => {
    if (hasEnded(row.state) || running.has(row.instanceId)) return [];
    const seen = observed.some((each) => each.instanceId === row.instanceId);
    const young = now.getTime() - Date.parse(row.requestedAt) < graceSeconds * 1_000;
    if (!seen && young) return [];
    const saidGoodbye = row.state === 'DRAINING';
    return [
      {
        ...row,
        state: saidGoodbye ? 'TERMINATED' : row.state === 'READY' ? 'INTERRUPTED' : 'FAILED',
        stateReason: saidGoodbye ? row.stateReason : 'the machine is gone without a goodbye',
        endedAt: now.toISOString(),
      },
    ];
  });
  return {
    adopt: strangers.filter(isOurs),
    ended,
    unknown: strangers.filter((each) => !isOurs(each) && !reported.has(each.instanceId)),
  };
}
