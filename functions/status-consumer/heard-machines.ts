/**
 * Who reports on tasks is ready, whatever became of the report that said so: one that was lost, or that waits for its
 * next delivery, must not make a busy machine look as if it had never booted. A machine is looked up once.
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import { isBooting } from '../../core/instance.ts';
import type { TaskEvent } from '../../core/messages.ts';
import type { FleetStore } from '../../core/ports.ts';

const READS_AT_ONCE = 8;
/** So many machines are remembered; then it is begun anew. */
const MAX_KNOWN = 10_000;

export class HeardMachines {
  readonly #fleets: Pick<FleetStore, 'find' | 'updateInstance'>;
  #ready = new Set<string>();

  constructor(fleets: Pick<FleetStore, 'find' | 'updateInstance'>) {
    this.#fleets = fleets;
  }

  /** @param fleets among which the machines are */
  async note(fleets: readonly string[], events: readonly TaskEvent[]): Promise<void> {
    if (this.#ready.size > MAX_KNOWN) this.#ready = new Set();
    const latest = new Map(events.map(({ instanceId, at }) => [instanceId, at]));
    const unknown = [...latest].filter(([instanceId]) => !this.#ready.has(instanceId));
    await inParallel(unknown, READS_AT_ONCE, async ([instanceId, at]) => {
      for (const fleet of fleets) {
        const machine = await this.#fleets.find(fleet, instanceId);
        // Its launch may be recorded in a moment, as that of a machine that boots: then it is asked for again.
        if (!machine) continue;
        if (isBooting(machine.state)) {
          await this.#fleets.updateInstance(fleet, instanceId, { state: 'READY', reason: null, at });
        }
        this.#ready.add(instanceId);
        break;
      }
    });
  }
}
