import type { Clock, StatusFlow } from '../../core/ports.ts';

/** Reports are read at once, unless they are held up. */
export class InMemoryStatusFlow implements StatusFlow {
  /** While set, nothing that was sent later is known to be applied. */
  heldUpSince: Date | null = null;
  readonly #clock: Clock;

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock;
  }

  async appliedUntil(): Promise<Date | null> {
    return this.heldUpSince ?? this.#clock.now();
  }

  async noteApplied(): Promise<void> {}
}
