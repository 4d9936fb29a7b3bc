/**
 * The machines that report on tasks. One is looked up once, all of a batch together: its price is fixed at its launch, and
 * having been ready is for good.
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import { type Instance, isBooting } from '../../core/instance.ts';
import type { TaskEvent } from '../../core/messages.ts';
import type { FleetStore } from '../../core/ports.ts';

const WRITES_AT_ONCE = 8;
/** So many machines are remembered; then it is begun anew. */
const MAX_KNOWN = 10_000;

interface KnownMachine {
  readonly fleet: string;
  /** Dollars a second; `undefined` until its launch is recorded. */
  readonly slotPrice: number | undefined;
  readonly isBooting: boolean;
}

export class ReportingMachines {
  readonly #fleets: Pick<FleetStore, 'findMany' | 'updateInstance'>;
  #known = new Map<string, KnownMachine>();

  constructor(fleets: Pick<FleetStore, 'findMany' | 'updateInstance'>) {
    this.#fleets = fleets;
  }

  /**
   * Dollars a second of one slot on each of those machines; `null` for one that is not recorded (yet), or has no price:
   * such a cost is unknown, not zero.
   * @param fleets among which the machines are
   */
  async slotPrices(
    fleets: readonly string[],
    instanceIds: ReadonlySet<string>,
  ): Promise<(instanceId: string | null) => number | null> {
    await this.#lookUp(fleets, instanceIds, (machine) => machine?.slotPrice === undefined);
    const known = this.#known;
    return (instanceId) => (instanceId === null ? null : known.get(instanceId)?.slotPrice || null);
  }

  /**
   * Who reports on tasks is ready, whatever became of the report that said so: one that was lost, or that waits for its
   * next delivery, must not make a busy machine look as if it had never booted.
   * @param fleets among which the machines are
   */
  async noteHeard(fleets: readonly string[], events: readonly TaskEvent[]): Promise<void> {
    const latest = new Map(events.map(({ instanceId, at }) => [instanceId, at]));
    // A launch may be recorded in a moment, as that of a machine that boots: one that is not known is asked for again.
    await this.#lookUp(fleets, latest.keys(), (machine) => machine === undefined);
    await inParallel([...latest], WRITES_AT_ONCE, async ([instanceId, at]) => {
      const machine = this.#known.get(instanceId);
      if (!machine?.isBooting) return;
      await this.#fleets.updateInstance(machine.fleet, instanceId, { state: 'READY', reason: null, at });
      this.#known.set(instanceId, { ...machine, isBooting: false });
    });
  }

  async #lookUp(
    fleets: readonly string[],
    instanceIds: Iterable<string>,
    isMissing: (known: KnownMachine | undefined) => boolean,
  ): Promise<void> {
    const missing = [...instanceIds].filter((instanceId) => isMissing(this.#known.get(instanceId)));
    if (missing.length === 0) return;
    if (this.#known.size > MAX_KNOWN) this.#known = new Map();
    for (const [instanceId, machine] of await this.#fleets.findMany(fleets, missing)) {
      this.#known.set(instanceId, knownOf(machine));
    }
  }
}

const knownOf = ({ fleet, provider, hourlyPriceUsd, slots, state }: Instance): KnownMachine => ({
  fleet,
  slotPrice: provider === 'unknown' ? undefined : hourlyPriceUsd / slots / 3_600,
  isBooting: isBooting(state),
});
