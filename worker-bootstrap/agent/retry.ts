/** Tries again what may pass by itself, while it still makes sense. */
import { PermanentError } from '../../core/errors.ts';
import type { AgentClock } from './clock.ts';
import { sleep } from './sleep.ts';

/** Milliseconds before try n+1, n from 1: doubling from 100 ms to 10 s, drawn from the upper half. */
export const backoffMs = (tries: number, random: number): number =>
  Math.min(10_000, 100 * 2 ** (tries - 1)) * (0.5 + random / 2);

/**
 * Whether another try may help. Only what an adapter calls permanent is taken as such: giving up too early costs work
 * that is done already, trying too long costs a few requests.
 */
export const mayPass = (error: unknown): boolean => !(error instanceof PermanentError);

export interface RetryOptions {
  readonly clock: AgentClock;
  readonly random: () => number;
  /** No try starts after it. */
  readonly until: Date;
  /** Aborted: no further try. */
  readonly signal?: AbortSignal;
}

/**
 * Runs `attempt` until it succeeds, fails for good, or time is up.
 * @throws what the last try threw
 */
export async function retry<Value>(attempt: () => Promise<Value>, options: RetryOptions): Promise<Value> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      const pause = backoffMs(tries, options.random());
      const late = options.clock.now().getTime() + pause >= options.until.getTime();
      if (!mayPass(error) || late || options.signal?.aborted) throw error;
      await sleep(options.clock, pause, options.signal);
    }
  }
}
