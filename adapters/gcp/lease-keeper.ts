/**
 * Keeps leases that are longer than Pub/Sub allows. An ack deadline is at most 600 s away, a task's lease up to 12 h: so
 * each lease is a row of short locks, renewed in the background for all messages of a queue in one call, until the lease
 * that was asked for ends, is changed, or its message is acknowledged.
 *
 * The lock is short on purpose. A process that is killed renews nothing: its messages are back within `LOCK_SECONDS`,
 * however long their leases were. It is long enough for three renewals in a row to fail.
 */
import type { Clock } from '../../core/ports.ts';

export const LOCK_SECONDS = 120;
export const RENEWAL_SECONDS = 30;

/** Calls back once, after so long; what it returns takes that back. */
export type After = (milliseconds: number, work: () => Promise<void>) => () => void;

/** Keeps no process alive: whoever has nothing left but leases is gone, and they end. */
export const inBackground: After = (milliseconds, work) => {
  const timer = setTimeout(() => void work(), milliseconds);
  timer.unref();
  return () => clearTimeout(timer);
};

export interface LeaseKeeperOptions {
  readonly clock: Clock;
  readonly after: After;
  readonly setDeadline: (ackIds: readonly string[], seconds: number) => Promise<void>;
  /** Told of renewals that failed; the next one follows all the same. */
  readonly onRenewalFailed: (error: unknown) => void;
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  /** When the lease of each message ends, for those whose lock ends before. */
  readonly #endsAtMs = new Map<string, number>();
  #cancelTimer: (() => void) | undefined;
  #stopped = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  /** Sets how long leases last from now; 0 ends them. @throws whatever setting the first deadline throws */
  async hold(ackIds: readonly string[], leaseSeconds: number): Promise<void> {
    const endsAtMs = this.#options.clock.now().getTime() + leaseSeconds * 1_000;
    // A renewal behind its back could take a message again that was just returned.
    if (leaseSeconds <= 0) this.drop(ackIds);
    await this.#options.setDeadline(ackIds, lockOf(leaseSeconds));
    if (leaseSeconds <= LOCK_SECONDS) return this.drop(ackIds);
    for (const ackId of ackIds) this.#endsAtMs.set(ackId, endsAtMs);
    this.#schedule();
  }

  drop(ackIds: readonly string[]): void {
    for (const ackId of ackIds) this.#endsAtMs.delete(ackId);
    if (this.#endsAtMs.size === 0) this.#unschedule();
  }

  /** Renews nothing more: what is leased is back when its lock ends. */
  stop(): void {
    this.#stopped = true;
    this.drop([...this.#endsAtMs.keys()]);
  }

  #schedule(): void {
    if (this.#stopped || this.#endsAtMs.size === 0) return;
    this.#cancelTimer ??= this.#options.after(RENEWAL_SECONDS * 1_000, () => this.#renew());
  }

  #unschedule(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  async #renew(): Promise<void> {
    this.#cancelTimer = undefined;
    const nowMs = this.#options.clock.now().getTime();
    const secondsLeft = (endsAtMs: number): number => (endsAtMs - nowMs) / 1_000;
    const held = [...this.#endsAtMs].filter(([, endsAtMs]) => secondsLeft(endsAtMs) > 0);
    const groups = Map.groupBy(held, ([, endsAtMs]) => lockOf(secondsLeft(endsAtMs)));
    await Promise.all(
      [...groups].map(([seconds, group]) =>
        this.#options
          .setDeadline(
            group.map(([ackId]) => ackId),
            seconds,
          )
          .catch(this.#options.onRenewalFailed),
      ),
    );
    for (const [ackId, endsAtMs] of this.#endsAtMs) if (secondsLeft(endsAtMs) <= 0) this.#endsAtMs.delete(ackId);
    this.#schedule();
  }
}

const lockOf = (leaseSeconds: number): number => Math.min(LOCK_SECONDS, Math.max(0, Math.ceil(leaseSeconds)));
