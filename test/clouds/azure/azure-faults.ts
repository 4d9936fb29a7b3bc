/** What the emulated Azure does on a bad day, switched by a test. */
export const AZURE_OPERATIONS = ['send', 'receive', 'settle', 'renew', 'count', 'read', 'write'] as const;
export type AzureOperation = (typeof AZURE_OPERATIONS)[number];

/**
 * - `throttle`: refused for being too many
 * - `unavailable`: an error of the service, before any effect
 * - `lost-response`: the effect, and then no answer: the connection ends
 * - `down`: the connection ends, before any effect
 */
export type AzureFaultKind = 'throttle' | 'unavailable' | 'lost-response' | 'down';

export interface AzureFault {
  readonly kind: AzureFaultKind;
  /** Without them, every operation. */
  readonly operations?: readonly AzureOperation[];
  /** Strikes every so many of the calls that it is about; without it each. */
  readonly every?: number;
  /** At most so often; without it no end. */
  readonly times?: number;
}

interface Active {
  readonly fault: AzureFault;
  asked: number;
  struck: number;
}

/** By counting, not by chance: what strikes every third call never fails one that is tried three times. */
export class AzureFaults {
  #active: readonly Active[] = [];

  /** Replaces all faults, and counts from zero. */
  set(...faults: readonly AzureFault[]): void {
    this.#active = faults.map((fault) => ({ fault, asked: 0, struck: 0 }));
  }

  /** How often each has struck. */
  get struck(): readonly number[] {
    return this.#active.map(({ struck }) => struck);
  }

  /** The fault that a call is to meet: the first whose turn it is. */
  draw(operation: AzureOperation): AzureFaultKind | undefined {
    let drawn: Active | undefined;
    for (const active of this.#active) {
      const { operations, every = 1, times = Number.POSITIVE_INFINITY } = active.fault;
      if (operations?.includes(operation) === false || active.struck >= times) continue;
      active.asked += 1;
      if (active.asked >= every) drawn ??= active;
    }
    if (!drawn) return undefined;
    drawn.asked = 0;
    drawn.struck += 1;
    return drawn.fault.kind;
  }
}
