/** What the emulated Azure does on a bad day, switched by a test. */
import { seededRandom } from '../../../local/emulators/faults/faults.ts';

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
  /** Of a call that the fault is about; without it every one. */
  readonly probability?: number;
  /** At most so often; without it no end. */
  readonly times?: number;
}

/** The same seed, and the same calls in the same order, make the same faults. */
export class AzureFaults {
  #faults: readonly AzureFault[] = [];
  #struck: number[] = [];
  #random = seededRandom(1);

  /** Replaces all faults, and counts from zero. */
  set(faults: readonly AzureFault[], seed = 1): void {
    this.#faults = faults;
    this.#struck = faults.map(() => 0);
    this.#random = seededRandom(seed);
  }

  /** How often each has struck. */
  get struck(): readonly number[] {
    return this.#struck;
  }

  draw(operation: AzureOperation): AzureFaultKind | undefined {
    for (const [index, { kind, operations, probability = 1, times }] of this.#faults.entries()) {
      const struck = this.#struck[index] ?? 0;
      if (operations?.includes(operation) === false || struck >= (times ?? Number.POSITIVE_INFINITY)) continue;
      if (this.#random() >= probability) continue;
      this.#struck[index] = struck + 1;
      return kind;
    }
    return undefined;
  }
}
