/**
 * Leases that are longer than their queue keeps a message hidden: renewed in the background until the lease that was asked
 * for ends, or its holder settles it. A lease that ends while its message is still hidden is given back, so that it returns
 * on time.
 *
 * Nobody renews for a process that is gone: its messages return when their last hiding ends, whatever lease was asked for.
 */
import type { TimerClock } from './timer-clock.ts';

/** A message that is to stay hidden. */
export interface Renewable {
  readonly receiptHandle: string;
  /** Of its lease. */
  readonly secondsLeft: number;
}

export interface LeaseRenewalOptions {
  readonly clock: TimerClock;
  /**
   * Hides messages anew, for `hiddenSeconds` or what is left of the lease. Those that could not be are asked for again soon.
   * @returns handles that are good for nothing any more: their messages are gone, or somebody else's
   */
  readonly renew: (leases: readonly Renewable[]) => Promise<readonly string[]>;
  /** Told of renewals that failed: when they do until a message is hidden no more, its task is leased to others. */
  readonly onFailed?: ((error: unknown) => void) | undefined;
  /** Returns messages whose lease is over. */
  readonly giveBack: (receiptHandles: readonly string[]) => Promise<void>;
}

interface Kept {
  readonly receiptHandle: string;
  readonly endsAt: number;
  readonly hiddenMs: number;
  hiddenUntil: number;
  /** When something is to be done for it; never, while something is. */
  dueAt: number;
}

/** Of the time for which a message is hidden: after so much it is renewed, so that there is time for more than one try. */
const RENEW_AFTER = 0.5;
const TRY_AGAIN_AFTER = 0.1;
/** What is due so soon is done with the rest: fewer calls. */
const TOGETHER_MS = 1_000;

export class LeaseRenewal {
  readonly #options: LeaseRenewalOptions;
  readonly #kept = new Map<string, Kept>();
  readonly #underWay = new Set<Promise<void>>();
  #cancelTimer = (): void => undefined;

  constructor(options: LeaseRenewalOptions) {
    this.#options = options;
  }

  /** How many leases are kept. */
  get size(): number {
    return this.#kept.size;
  }

  /**
   * Keeps a lease from now on; one that is kept already gets this new end.
   * @param hiddenSeconds for so long its message is hidden from now, and after each renewal
   */
  keep(receiptHandle: string, lease: { readonly seconds: number; readonly hiddenSeconds: number }): void {
    const now = this.#now();
    const hiddenMs = lease.hiddenSeconds * 1_000;
    const kept = {
      receiptHandle,
      endsAt: now + lease.seconds * 1_000,
      hiddenMs,
      hiddenUntil: now + hiddenMs,
      dueAt: 0,
    };
    this.#kept.set(receiptHandle, kept);
    this.#plan(kept);
    this.#wait();
  }

  /** Settled, or not ours any more. @returns whether it was kept */
  forget(receiptHandle: string): boolean {
    const wasKept = this.#kept.delete(receiptHandle);
    if (wasKept) this.#wait();
    return wasKept;
  }

  /** Keeps none any more. */
  stop(): void {
    this.#kept.clear();
    this.#wait();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }

  /** Hidden for longer than its lease, it is given back at the lease's end; otherwise it is to be renewed. */
  #plan(kept: Kept): void {
    const isLast = kept.hiddenUntil >= kept.endsAt;
    kept.dueAt = isLast ? kept.endsAt : kept.hiddenUntil - kept.hiddenMs * (1 - RENEW_AFTER);
  }

  #wait(): void {
    this.#cancelTimer();
    const next = [...this.#kept.values()].reduce(
      (least, { dueAt }) => Math.min(least, dueAt),
      Number.POSITIVE_INFINITY,
    );
    this.#cancelTimer = Number.isFinite(next)
      ? this.#options.clock.after(Math.max(0, next - this.#now()), () => this.#begin())
      : () => undefined;
  }

  #begin(): Promise<void> {
    const now = this.#now();
    const due = [...this.#kept.values()].filter(
      ({ dueAt, endsAt }) => dueAt <= (dueAt < endsAt ? now + TOGETHER_MS : now),
    );
    for (const kept of due) kept.dueAt = Number.POSITIVE_INFINITY;
    const work = this.#carryOut(due, now).finally(() => {
      this.#underWay.delete(work);
      this.#wait();
    });
    this.#underWay.add(work);
    this.#wait();
    return work;
  }

  async #carryOut(due: readonly Kept[], now: number): Promise<void> {
    const over = due.filter(({ endsAt }) => endsAt <= now);
    const going = due.filter(({ endsAt }) => endsAt > now);
    for (const { receiptHandle } of over) this.#kept.delete(receiptHandle);
    await Promise.all([this.#giveBack(over), this.#renew(going, now)]);
  }

  async #giveBack(over: readonly Kept[]): Promise<void> {
    if (over.length === 0) return;
    // Not given back, they return when they are not hidden any more.
    await this.#options.giveBack(over.map(({ receiptHandle }) => receiptHandle)).catch(() => undefined);
  }

  async #renew(going: readonly Kept[], now: number): Promise<void> {
    if (going.length === 0) return;
    try {
      const leases = going.map(({ receiptHandle, endsAt }) => ({ receiptHandle, secondsLeft: (endsAt - now) / 1_000 }));
      for (const handle of await this.#options.renew(leases)) this.#kept.delete(handle);
      for (const kept of going) {
        // Counted from before the call: it may have taken effect at any moment since.
        kept.hiddenUntil = now + kept.hiddenMs;
        this.#plan(kept);
      }
    } catch (error) {
      this.#options.onFailed?.(error);
      for (const kept of going) kept.dueAt = Math.min(kept.endsAt, this.#now() + kept.hiddenMs * TRY_AGAIN_AFTER);
    }
  }
}
