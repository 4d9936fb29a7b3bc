/**
 * Whether a fleet may launch while its machines do not boot: a circuit breaker.
 *
 *     closed       fewer than 3 boots failed in a row                    any number may be launched
 *     open         3 or more did, the last one less than a pause ago     none: each would cost money and end the same
 *     half-open    the pause is over                                     one, and no other while it boots
 *
 * A boot that succeeds closes it. Each failure doubles the pause, from 5 minutes to an hour.
 *
 * A machine that is taken back before it is ready is neither: its pool has nothing to give. But as long as that happens, and
 * none is ready, one is launched at a time; and should they have failed after all, without a word, it costs little.
 */
import { type FleetTrouble, whyAvoid } from './fleet-trouble.ts';

export interface BootFailure {
  readonly instanceId: string;
  /** With the end of its log or console, where there is one. */
  readonly reason: string;
  readonly at: string;
}

/** How the latest boots of a fleet went. */
export interface BootRecord {
  readonly failedInARow: number;
  readonly lastFailure: BootFailure | null;
}

export const NO_BOOTS: BootRecord = { failedInARow: 0, lastFailure: null };

export interface LaunchAllowance {
  readonly state: 'closed' | 'open' | 'half-open';
  /** How many machines may be launched now. */
  readonly machines: number;
  readonly reason: string | null;
}

const FAILURES_TO_OPEN = 3;
const FIRST_PAUSE_SECONDS = 300;
const LONGEST_PAUSE_SECONDS = 3_600;

/**
 * @param trouble of the fleet as a whole
 * @param booting machines that boot or are asked for: where one is tried, one of them is the trial
 */
export function launchAllowance(
  { failedInARow, lastFailure }: BootRecord,
  trouble: FleetTrouble | null,
  booting: number,
  now: Date,
): LaunchAllowance {
  const trial = Math.max(0, 1 - booting);
  if (failedInARow < FAILURES_TO_OPEN || !lastFailure) {
    const taken = trouble?.kind === 'taken' ? whyAvoid(trouble, now) : null;
    if (taken === null) return { state: 'closed', machines: Number.POSITIVE_INFINITY, reason: null };
    return { state: 'closed', machines: trial, reason: `one machine is tried at a time: ${taken}` };
  }
  const doubled = FIRST_PAUSE_SECONDS * 2 ** (failedInARow - FAILURES_TO_OPEN);
  const pauseSeconds = Math.min(LONGEST_PAUSE_SECONDS, doubled);
  const until = new Date(Date.parse(lastFailure.at) + pauseSeconds * 1_000);
  const told = `${failedInARow} machines in a row did not boot; the last one: ${lastFailure.reason}`;
  if (until > now) {
    return { state: 'open', machines: 0, reason: `nothing is launched until ${until.toISOString()}: ${told}` };
  }
  return { state: 'half-open', machines: trial, reason: `one machine is tried: ${told}` };
}
