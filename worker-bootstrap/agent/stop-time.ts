/** How the time is shared out that is left to a command that must stop. */
import type { WorkSettings } from './config.ts';
import type { StopCause } from './lifecycle.ts';

/** What is left of a notice for reports, after all else. */
const LAST_REPORTS_SECONDS = 5;
/** No checkpoint is worth more: a machine that ends costs money. */
const STORE_SECONDS = 60;

/**
 * Between SIGTERM and SIGKILL. Cancelled work is wanted by nobody; of a notice half is left for what the command saved.
 * @param secondsLeft until the machine is taken away
 */
export function stopGraceSeconds(
  cause: StopCause,
  { graceSeconds, cancelGraceSeconds }: Pick<WorkSettings, 'graceSeconds' | 'cancelGraceSeconds'>,
  secondsLeft: number,
): number {
  if (cause === 'cancelled') return Math.min(graceSeconds, cancelGraceSeconds);
  return Math.min(graceSeconds, Math.max(0, secondsLeft / 2));
}

/** For storing a checkpoint, once the command has ended. @param secondsLeft until the machine is taken away */
export const storeSeconds = (secondsLeft: number): number =>
  Math.min(STORE_SECONDS, Math.max(0, secondsLeft - LAST_REPORTS_SECONDS));
