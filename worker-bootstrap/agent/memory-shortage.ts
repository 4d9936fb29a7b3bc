/**
 * Whether a command died because the machine ran out of memory: the kernel then ends a process by SIGKILL, without a word to
 * anybody but its counter. A shell whose command was killed so exits with 137.
 */
import { readFile } from 'node:fs/promises';
import type { Failure } from '../../core/task.ts';

/** How many processes the kernel ended for want of memory since it booted; `undefined` where nobody can tell. */
export type KillCount = () => Promise<number | undefined>;

/** A count is good for so long: many commands are shorter. */
const KEPT_MS = 1_000;
/** 128 + SIGKILL. */
const SHELL_SAYS_KILLED = 137;

/** Field `oom_kill` of `/proc/vmstat` (proc_vmstat(5)). */
export const kernelKillCount: KillCount = async () => {
  const text = await readFile('/proc/vmstat', 'latin1').catch(() => '');
  const count = /^oom_kill (\d+)$/m.exec(text)?.[1];
  return count === undefined ? undefined : Number(count);
};

export class MemoryShortage {
  readonly #count: KillCount;
  #last: { readonly at: number; readonly count: Promise<number | undefined> } | undefined;

  constructor(count: KillCount = kernelKillCount) {
    this.#count = count;
  }

  /** Watches until it is asked to explain why a command failed. */
  watch(): { readonly explain: (failure: Failure) => Promise<Failure> } {
    const before = this.#recent();
    const explain = async (failure: Failure): Promise<Failure> => {
      if (failure.signal !== 'SIGKILL' && failure.exitCode !== SHELL_SAYS_KILLED) return failure;
      const [first, now] = [await before, await this.#count()];
      if (first === undefined || now === undefined || now <= first) return failure;
      return { ...failure, code: 'signal', signal: 'SIGKILL', message: 'was killed: the machine ran out of memory' };
    };
    return { explain };
  }

  #recent(): Promise<number | undefined> {
    const now = performance.now();
    if (!this.#last || now - this.#last.at > KEPT_MS) this.#last = { at: now, count: this.#count() };
    return this.#last.count;
  }
}
