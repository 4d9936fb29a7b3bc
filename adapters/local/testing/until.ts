import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a condition, with a deadline: resolves with the first value that is not `undefined`, `null` or `false`. */
export async function until<Value>(
  look: () => Value | undefined | null | false | Promise<Value | undefined | null | false>,
  what: string | (() => string),
  milliseconds = 10_000,
): Promise<Value> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== null && seen !== false) return seen;
    if (performance.now() > deadline)
      throw new Error(`waited ${milliseconds} ms in vain: ${typeof what === 'string' ? what : what()}`);
    await delay(10);
  }
}
