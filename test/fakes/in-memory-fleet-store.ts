import { dayOf, type FleetDay, hasEnded, type Instance, mayBecome } from '../../core/instance.ts';
import { type BootRecord, NO_BOOTS } from '../../core/launch-breaker.ts';
import type { FleetRead, FleetState, FleetStore, InstanceChange } from '../../core/ports.ts';
import { copy } from './copy.ts';

export class InMemoryFleetStore implements FleetStore {
  readonly #states = new Map<string, FleetState>();
  readonly #instances = new Map<string, Instance>();
  readonly #days = new Map<string, FleetDay>();
  readonly #boots = new Map<string, BootRecord>();

  async read(fleet: string): Promise<FleetRead> {
    const instances = this.#ofFleet(fleet).filter((each) => !hasEnded(each.state));
    return copy({ state: this.#state(fleet), instances, boots: this.#boots.get(fleet) ?? NO_BOOTS });
  }

  async writeState(fleet: string, next: Omit<FleetState, 'version'>, expectedVersion: number): Promise<boolean> {
    if (this.#state(fleet).version !== expectedVersion) return false;
    this.#states.set(fleet, copy({ ...next, version: expectedVersion + 1 }));
    return true;
  }

  async addInstances(instances: readonly Instance[]): Promise<void> {
    for (const instance of instances) {
      const key = keyOf(instance.fleet, instance.instanceId);
      const before = this.#instances.get(key);
      const reported = before && {
        state: before.state,
        stateReason: before.stateReason,
        readyAt: before.readyAt,
        endedAt: before.endedAt,
      };
      this.#instances.set(key, copy({ ...instance, ...reported }));
    }
  }

  async updateInstance(fleet: string, instanceId: string, change: InstanceChange): Promise<void> {
    const key = keyOf(fleet, instanceId);
    const before = this.#instances.get(key);
    if (before ? !mayBecome(before.state, change.state) : hasEnded(change.state)) return;
    const instance = before ?? unrecorded(fleet, instanceId, change);
    this.#countBoot(fleet, instance, change);
    if (hasEnded(change.state)) this.#addToDay(fleet, dayOf(instance, change.at));
    this.#instances.set(key, {
      ...instance,
      state: change.state,
      stateReason: change.reason,
      readyAt: change.state === 'READY' ? change.at : instance.readyAt,
      endedAt: hasEnded(change.state) ? change.at : instance.endedAt,
    });
  }

  async findMany(fleets: readonly string[], instanceIds: readonly string[]): Promise<ReadonlyMap<string, Instance>> {
    const keys = fleets.flatMap((fleet) => instanceIds.map((instanceId) => keyOf(fleet, instanceId)));
    const found = keys.flatMap((key) => this.#instances.get(key) ?? []);
    return new Map(found.map((instance) => [instance.instanceId, copy(instance)]));
  }

  #countBoot(fleet: string, { instanceId, readyAt }: Instance, { state, reason, at }: InstanceChange): void {
    if (readyAt !== null) return;
    const before = this.#boots.get(fleet) ?? NO_BOOTS;
    if (state === 'READY') this.#boots.set(fleet, { ...before, failedInARow: 0 });
    if (state !== 'FAILED') return;
    const lastFailure = { instanceId, reason: reason ?? '', at };
    this.#boots.set(fleet, { failedInARow: before.failedInARow + 1, lastFailure });
  }

  #addToDay(fleet: string, { day, ...sums }: FleetDay): void {
    const key = keyOf(fleet, day);
    const before = this.#days.get(key) ?? { day, machines: 0, machineSeconds: 0, costUsd: 0 };
    this.#days.set(key, {
      day,
      machines: before.machines + sums.machines,
      machineSeconds: before.machineSeconds + sums.machineSeconds,
      costUsd: before.costUsd + sums.costUsd,
    });
  }

  async listDays(fleet: string, limit: number): Promise<readonly FleetDay[]> {
    const days = [...this.#days].filter(([key]) => key.startsWith(keyOf(fleet, ''))).map(([, each]) => each);
    return copy(days.sort((a, b) => (a.day < b.day ? 1 : -1)).slice(0, limit));
  }

  async listEnded(fleet: string, limit: number): Promise<readonly Instance[]> {
    const ended = this.#ofFleet(fleet).filter((each) => hasEnded(each.state));
    return copy(ended.sort((a, b) => ((a.endedAt ?? '') < (b.endedAt ?? '') ? 1 : -1)).slice(0, limit));
  }

  #state(fleet: string): FleetState {
    return this.#states.get(fleet) ?? { intents: [], lastPlan: null, version: 0 };
  }

  #ofFleet(fleet: string): Instance[] {
    return [...this.#instances.values()].filter((each) => each.fleet === fleet);
  }
}

const keyOf = (fleet: string, instanceId: string): string => `${fleet}/${instanceId}`;

const DAY_MS = 86_400_000;

/** A machine that speaks before its launch is recorded, or that joined by itself. */
function unrecorded(fleet: string, instanceId: string, { state, at, slots, expiresAt }: InstanceChange): Instance {
  const aDayLater = new Date(Date.parse(at) + DAY_MS).toISOString();
  return {
    instanceId,
    fleet,
    provider: 'unknown',
    state,
    stateReason: null,
    intentId: null,
    instanceType: 'unknown',
    slots: slots ?? 1,
    hourlyPriceUsd: 0,
    requestedAt: at,
    readyAt: null,
    endedAt: null,
    readyDeadlineAt: expiresAt ?? aDayLater,
    expiresAt: expiresAt ?? aDayLater,
  };
}
