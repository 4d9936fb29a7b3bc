/**
 * What we know of a fleet's machines, held against what the provider says: `reconcileInstances`.
 *
 * - A machine with an intent of ours and no row was launched by a run that died before it could write: it is adopted.
 * - A row whose machine the provider no longer runs has ended; if nobody said goodbye, it was lost. It is marked first, and
 *   closed once what it said before is read (`heardOut`), for its goodbye may only be late.
 * - A machine that neither row nor intent explains is unknown. It is marked first; the next pass ends it if it is still
 *   unknown by then (`sweepUnknown`), for a row may only be late.
 */
import { z } from 'zod';
import { hasEnded, type Instance, type InstanceState, isBooting, type LaunchIntent } from './instance.ts';

export const suspectSchema = z.object({
  instanceId: z.string(),
  since: z.iso.datetime(),
  /** What its provider said of its end, and may not say again: one that is switched off is soon deleted. */
  endReason: z.string().optional(),
  interrupted: z.boolean().optional(),
});
/** A machine of which rows and provider disagree: since then one of them has known it without the other. */
export type Suspect = z.infer<typeof suspectSchema>;

/** A machine as its provider sees it. */
export interface ObservedInstance {
  readonly instanceId: string;
  readonly fleet: string;
  readonly intentId: string | null;
  readonly running: boolean;
  readonly launchedAt: string;
  /** Where the provider tells. */
  readonly instanceType?: string;
  /** When its lifetime ends, where that is written on it. */
  readonly expiresAt?: string;
  /** It was stopped, not ended: it does nothing, and its disk costs on. */
  readonly stopped?: boolean;
  /** Why it ended, as the provider says it. */
  readonly endReason?: string;
  /** Whether it was taken back, and ended by no fault of its own; nothing, where its provider does not say. */
  readonly interrupted?: boolean;
}

/** A row without a machine, and how it is to be closed if the machine itself has said nothing else. */
export interface GoneInstance {
  readonly row: Instance;
  readonly state: InstanceState;
  readonly reason: string | null;
  /** What is kept of it until then. It ended, as far as anybody knows, when it was first seen to be gone. */
  readonly mark: Suspect;
}

/** Its provider took it back before it was ready, as far as can be known. */
export const isTakenBackInBoot = ({ row, state }: GoneInstance): boolean =>
  isBooting(row.state) && state === 'INTERRUPTED';

export interface Reconciliation {
  readonly adopt: readonly ObservedInstance[];
  readonly gone: readonly GoneInstance[];
  readonly unknown: readonly ObservedInstance[];
}

/** What a fleet knows from earlier looks. */
interface Remembered {
  readonly intents: readonly LaunchIntent[];
  readonly suspects?: readonly Suspect[] | undefined;
}

export interface ReconcileSettings {
  /** A machine younger than this may not be listed yet (EC2 is eventually consistent). */
  readonly graceSeconds: number;
  /** Whether the fleet's machines may be taken back. */
  readonly isSpot: boolean;
}

/** Compares rows with the provider's list. Pure. */
export function reconcileInstances(
  rows: readonly Instance[],
  observed: readonly ObservedInstance[],
  { intents, suspects = [] }: Remembered,
  now: Date,
  { graceSeconds, isSpot }: ReconcileSettings,
): Reconciliation {
  // A machine may report before its launch is recorded: its row says nothing of the launch yet.
  const known = new Set(rows.filter((row) => row.provider !== 'unknown').map((row) => row.instanceId));
  const ours = new Set(intents.map((intent) => intent.intentId));
  const running = new Map(observed.filter((each) => each.running).map((each) => [each.instanceId, each]));
  const ended = new Map(observed.filter((each) => !each.running).map((each) => [each.instanceId, each]));
  const marks = new Map(suspects.map((mark) => [mark.instanceId, mark]));
  const strangers = [...running.values()].filter((each) => !known.has(each.instanceId));
  const reported = new Set(rows.map((row) => row.instanceId));
  const isOurs = (each: ObservedInstance): boolean => each.intentId !== null && ours.has(each.intentId);

  const gone = rows.flatMap((row): GoneInstance[] => {
    if (hasEnded(row.state) || running.has(row.instanceId)) return [];
    const seen = ended.get(row.instanceId);
    const young = now.getTime() - Date.parse(row.requestedAt) < graceSeconds * 1_000;
    if (!seen && young) return [];
    const before = marks.get(row.instanceId) ?? { instanceId: row.instanceId, since: now.toISOString() };
    const mark = { ...before, ...endSaid(seen) };
    return [{ row, ...endOf(row, mark, isSpot), mark }];
  });
  return {
    adopt: strangers.filter(isOurs),
    gone,
    unknown: strangers.filter((each) => !isOurs(each) && !reported.has(each.instanceId)),
  };
}

/**
 * How a machine ended that is gone, if it has said nothing itself:
 *
 *     INTERRUPTED   its provider says that it took it back; or it worked
 *     TERMINATED    it was about to end
 *     FAILED        it booted, and its provider says that nobody took it back, or it is none that can be
 *
 * A spot machine of which nobody says why it is gone before it had to be ready was taken back: one of ours that cannot boot
 * reports that, is still there when its time is up, or has switched itself off and is listed as stopped.
 */
function endOf(row: Instance, mark: Suspect, isSpot: boolean): Pick<GoneInstance, 'state' | 'reason'> {
  const isDraining = row.state === 'DRAINING';
  const reason = (isDraining ? row.stateReason : null) ?? mark.endReason ?? 'the machine is gone without a goodbye';
  if (mark.interrupted) return { state: 'INTERRUPTED', reason };
  if (isDraining) return { state: 'TERMINATED', reason };
  if (row.state === 'READY') return { state: 'INTERRUPTED', reason };
  const isUnexplained = mark.interrupted === undefined && Date.parse(mark.since) < Date.parse(row.readyDeadlineAt);
  return isSpot && isUnexplained
    ? { state: 'INTERRUPTED', reason: `${reason}, before it was ready: most likely it was taken back` }
    : { state: 'FAILED', reason };
}

/** As far as the provider says anything now. */
const endSaid = ({
  endReason,
  interrupted,
}: Partial<ObservedInstance> = {}): Pick<Suspect, 'endReason' | 'interrupted'> => ({
  ...(endReason === undefined ? {} : { endReason }),
  ...(interrupted === undefined ? {} : { interrupted }),
});

/** Reports do not stand still for longer without an alarm; a row must not stay for ever. */
const LAST_WORDS_SECONDS = 1_800;

/**
 * Of machines that are gone, those whose last words are read, or are waited for no longer. Pure.
 * @param reportsUntil how far the reports of machines are read; `null` when nobody knows
 */
export function heardOut(gone: readonly GoneInstance[], reportsUntil: Date | null, now: Date): readonly GoneInstance[] {
  const until = Math.max(reportsUntil?.getTime() ?? 0, now.getTime() - LAST_WORDS_SECONDS * 1_000);
  return gone.filter(({ mark }) => Date.parse(mark.since) <= until);
}

export interface UnknownSwept {
  /** Unknown for long enough: to be looked for once more, and ended. */
  readonly end: readonly string[];
  /** What the next pass goes by. */
  readonly suspects: readonly Suspect[];
}

/**
 * What becomes of unknown machines. One is ended only if it was unknown before, at least `graceSeconds` ago; one that is
 * known by now is a suspect no more. Pure.
 */
export function sweepUnknown(
  unknown: readonly ObservedInstance[],
  suspects: readonly Suspect[],
  now: Date,
  graceSeconds: number,
): UnknownSwept {
  const before = new Map(suspects.map(({ instanceId, since }) => [instanceId, since]));
  const marked = unknown.map(({ instanceId }) => ({ instanceId, since: before.get(instanceId) ?? now.toISOString() }));
  const due = marked.filter((each) => now.getTime() - Date.parse(each.since) >= graceSeconds * 1_000);
  return { end: due.map((each) => each.instanceId), suspects: marked };
}
