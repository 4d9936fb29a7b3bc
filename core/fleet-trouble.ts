/**
 * Trouble that a fleet has as a whole, seen by the scaler tick after tick, and when a job that has other fleets leaves it.
 *
 *     boot      its launches are stopped, because machine after machine did not boot       left at once
 *     cloud     its provider or its queue does not answer                                  left after 5 minutes of it
 *     launch    work waits, no machine runs, and none is to be had                         left after 10 minutes of it
 *     taken     its machines are taken back before they are ready, and none runs           left after 10 minutes of it
 *
 * As long as its machines are taken back, one is tried at a time (core/launch-breaker.ts).
 *
 * What goes on keeps its beginning, whichever kind it turns into. What nobody has seen for a while counts no more: a fleet
 * that nobody used may be well again.
 */
import { z } from 'zod';

export const fleetTroubleSchema = z.object({
  kind: z.enum(['boot', 'cloud', 'launch', 'taken']),
  reason: z.string(),
  since: z.iso.datetime(),
  seenAt: z.iso.datetime(),
});
export type FleetTrouble = z.infer<typeof fleetTroubleSchema>;

/** What one look at the fleet says; `unclear`: nothing that would end trouble, or begin it. */
export type Sighting =
  | { readonly kind: FleetTrouble['kind']; readonly reason: string }
  | { readonly kind: 'well' }
  | { readonly kind: 'unclear' };

export type LeaveAfterSeconds = Readonly<Record<FleetTrouble['kind'], number>>;
export const LEAVE_AFTER_SECONDS: LeaveAfterSeconds = { boot: 0, cloud: 300, launch: 600, taken: 600 };
/** The scaler looks every minute while there is work. */
const FRESH_SECONDS = 180;
/** Longer than a job takes to leave; no longer than capacity takes to come back, now and then. */
const REMEMBERED_SECONDS = 900;

const secondsSince = (at: string, now: Date): number => (now.getTime() - Date.parse(at)) / 1_000;
const isRemembered = ({ seenAt }: FleetTrouble, now: Date): boolean => secondsSince(seenAt, now) <= REMEMBERED_SECONDS;

/** The trouble as it is after one more look. Pure. */
export function troubleAfter(before: FleetTrouble | null, seen: Sighting, now: Date): FleetTrouble | null {
  const known = before && isRemembered(before, now) ? before : null;
  if (seen.kind === 'unclear') return known;
  if (seen.kind === 'well') return null;
  const at = now.toISOString();
  return { kind: seen.kind, reason: seen.reason, since: known?.since ?? at, seenAt: at };
}

/** Why tasks should not be put there now; `null`: nothing speaks against it. */
export const whyAvoid = (trouble: FleetTrouble | null | undefined, now: Date): string | null =>
  trouble && isRemembered(trouble, now) ? trouble.reason : null;

/** Why a job that can go elsewhere leaves the fleet now; `null`: it stays. */
export function whyLeave(
  trouble: FleetTrouble | null | undefined,
  now: Date,
  leaveAfterSeconds = LEAVE_AFTER_SECONDS,
): string | null {
  if (!trouble || secondsSince(trouble.seenAt, now) > FRESH_SECONDS) return null;
  const seconds = secondsSince(trouble.since, now);
  if (seconds < leaveAfterSeconds[trouble.kind]) return null;
  return seconds < 60 ? trouble.reason : `${trouble.reason} (for ${Math.floor(seconds / 60)} minutes)`;
}
