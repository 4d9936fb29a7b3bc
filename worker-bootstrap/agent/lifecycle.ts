/**
 * How a machine's life ends: gracefully, then firmly, then at once. Each stage includes the ones before it.
 *
 * - **drain**: nothing new is leased, what runs may finish. Idle, lifetime near, asked to by the control plane.
 * - **interrupt**: running commands get SIGTERM and the grace. A termination signal, the lifetime at its end, the notice
 *   that the provider takes the machine back.
 * - **kill**: running commands get SIGKILL. The second signal.
 *
 * The first reason stands: later stages change how fast the machine ends, not why.
 */

/** Why a task that is held must stop. */
export type StopCause = 'cancelled' | 'interrupted' | 'draining';

/** Signals closer together are one: a signal to a whole process group also comes forwarded by bootstrap.sh. */
const SAME_SIGNAL_MS = 1_000;

export class Lifecycle {
  readonly #now: () => number;
  readonly #draining = new AbortController();
  readonly #interrupting = new AbortController();
  readonly #killing = new AbortController();
  #reason: string | null = null;
  #cause: StopCause = 'interrupted';
  #signalledAt: number | undefined;
  #goneAt = Number.POSITIVE_INFINITY;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  get interrupting(): AbortSignal {
    return this.#interrupting.signal;
  }

  get killing(): AbortSignal {
    return this.#killing.signal;
  }

  /** Why the machine ends, `null` while it does not. */
  get reason(): string | null {
    return this.#reason;
  }

  /** What an interrupted task is released for. */
  get cause(): StopCause {
    return this.#cause;
  }

  /** Whether the machine's provider takes it back. */
  get isTakenBack(): boolean {
    return this.#goneAt !== Number.POSITIVE_INFINITY;
  }

  /** Until the provider takes the machine away; infinite where nothing is known of that. */
  get secondsLeft(): number {
    return Math.max(0, this.#goneAt - this.#now()) / 1_000;
  }

  drain(reason: string): void {
    this.#reason ??= reason;
    this.#draining.abort();
  }

  interrupt(reason: string, cause: Exclude<StopCause, 'cancelled'>): void {
    if (!this.#interrupting.signal.aborted) this.#cause = cause;
    this.drain(reason);
    this.#interrupting.abort();
  }

  /** The provider takes the machine back, and says how soon. */
  takeBack(reason: string, secondsLeft: number): void {
    this.#goneAt = Math.min(this.#goneAt, this.#now() + secondsLeft * 1_000);
    this.interrupt(reason, 'interrupted');
  }

  /** A termination signal of the operating system: the first interrupts, the second kills. */
  onSignal(name: string): void {
    const now = this.#now();
    if (this.#signalledAt === undefined) {
      this.#signalledAt = now;
      this.interrupt(name, 'interrupted');
    } else if (now - this.#signalledAt >= SAME_SIGNAL_MS) this.#killing.abort();
  }
}
