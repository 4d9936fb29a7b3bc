/**
 * The agent's clock: it tells the time, and it calls back. Whatever the agent decides by time it decides by this clock, so
 * that a simulator can hold it. Only what guards real processes keeps to timers of its own.
 */
import type { Clock } from '../../core/ports.ts';

export interface AgentClock extends Clock {
  /** Calls back once, after so long; what it returns takes that back. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** The longest that `setTimeout` waits; longer ones would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: AgentClock = {
  now: () => new Date(),
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, Math.min(milliseconds, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};
