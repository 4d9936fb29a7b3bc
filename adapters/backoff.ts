/** Waiting before another try of our own, where the SDK does not try again by itself. */
import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog): writers that met once do not meet again.
 * @param tries how many there have been, from 1
 */
export const backoff = (tries: number): Promise<void> =>
  sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries));
