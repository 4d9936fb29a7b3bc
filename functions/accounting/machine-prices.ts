/** What a task's share of a machine costs. A machine is looked up once: its price is fixed at the launch. */
import { inParallel } from '../../adapters/in-parallel.ts';
import type { Instance } from '../../core/instance.ts';
import type { FleetStore } from '../../core/ports.ts';

const READS_AT_ONCE = 8;
/** So many machines are remembered; then it is begun anew. */
const MAX_KNOWN = 10_000;

export class MachinePrices {
  readonly #fleets: Pick<FleetStore, 'find'>;
  #known = new Map<string, number>();

  constructor(fleets: Pick<FleetStore, 'find'>) {
    this.#fleets = fleets;
  }

  /**
   * Dollars a second of one slot on each of those machines; `null` for one that is not recorded (yet), or has no price:
   * such a cost is unknown, not zero.
   * @param fleets among which the machines are
   */
  async of(
    fleets: readonly string[],
    instanceIds: ReadonlySet<string>,
  ): Promise<(instanceId: string | null) => number | null> {
    if (this.#known.size > MAX_KNOWN) this.#known = new Map();
    const known = this.#known;
    const missing = [...instanceIds].filter((instanceId) => !known.has(instanceId));
    await inParallel(missing, READS_AT_ONCE, async (instanceId) => {
      for (const fleet of fleets) {
        const machine = await this.#fleets.find(fleet, instanceId);
        if (!machine) continue;
        if (machine.provider !== 'unknown') known.set(instanceId, slotPrice(machine));
        break;
      }
    });
    return (instanceId) => (instanceId === null ? null : known.get(instanceId) || null);
  }
}

const slotPrice = ({ hourlyPriceUsd, slots }: Pick<Instance, 'hourlyPriceUsd' | 'slots'>): number =>
  hourlyPriceUsd / slots / 3_600;
