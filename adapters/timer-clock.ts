/** A clock that also calls back: for what adapters do in the background. */
import type { Clock } from '../core/ports.ts';

export interface TimerClock extends Clock {
  /** Calls back once, after so long; what it returns takes that back. */
  after(milliseconds: number, callback: () => Promise<void> | void): () => void;
}

/** The time of this machine. Its timers keep no process alive. */
export const backgroundClock: TimerClock = {
  now: () => new Date(),
  after: (milliseconds, callback) => {
    const timer = setTimeout(() => void callback(), milliseconds).unref();
    return () => clearTimeout(timer);
  },
};
