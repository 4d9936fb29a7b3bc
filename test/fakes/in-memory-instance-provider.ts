import type { LaunchedInstance, LaunchOutcome, LaunchRequest } from '../../core/launch.ts';
import { poolOf } from '../../core/offer.ts';
import type { Clock, InstanceProvider } from '../../core/ports.ts';
import type { ObservedInstance } from '../../core/reconcile-instances.ts';
import { copy } from './copy.ts';

/** A machine as the provider keeps it. */
export interface FakeMachine {
  readonly launched: LaunchedInstance;
  readonly request: LaunchRequest;
  running: boolean;
  /** By its provider, which says so. */
  takenBack: boolean;
}

/** A cloud with so much capacity. Machines do nothing by themselves: a simulator runs what they would run. */
export class InMemoryInstanceProvider implements InstanceProvider {
  readonly name = 'memory';
  /** Machines that can still be launched. */
  capacity: number;
  readonly machines = new Map<string, FakeMachine>();
  readonly #clock: Clock;
  #made = 0;
  readonly #outcomes = new Map<string, LaunchOutcome>();

  constructor(options: { clock: Clock; capacity?: number }) {
    this.#clock = options.clock;
    this.capacity = options.capacity ?? Number.POSITIVE_INFINITY;
  }

  async launch(request: LaunchRequest): Promise<LaunchOutcome> {
    const before = this.#outcomes.get(request.intentId);
    if (before) return copy(before);
    const count = Math.min(request.count, this.capacity);
    this.capacity -= count;
    const launched = Array.from({ length: count }, () => this.#boot(request));
    const shortfall = request.count - count;
    const errors = shortfall
      ? [
          {
            code: 'InsufficientInstanceCapacity',
            kind: 'out-of-capacity' as const,
            message: `${shortfall} could not be had`,
            retryable: true,
            pools: (request.choices ?? []).map(({ offer }) => poolOf(offer)),
          },
        ]
      : [];
    const outcome: LaunchOutcome = { launched, errors };
    // A launch that brought nothing is forgotten: the next try may find capacity.
    if (count) this.#outcomes.set(request.intentId, outcome);
    return copy(outcome);
  }

  async list(...fleets: readonly string[]): Promise<readonly ObservedInstance[]> {
    return [...this.machines.values()]
      .filter(({ request }) => fleets.length === 0 || fleets.includes(request.fleet))
      .map(({ launched, request, running, takenBack }) => ({
        instanceId: launched.instanceId,
        fleet: request.fleet,
        intentId: request.intentId,
        running,
        launchedAt: launched.launchedAt,
        ...(running ? {} : { interrupted: takenBack }),
        ...(request.expiresAt ? { expiresAt: request.expiresAt } : {}),
      }));
  }

  async terminate(instanceIds: readonly string[]): Promise<void> {
    for (const instanceId of instanceIds) this.end(instanceId);
  }

  /** The machine is gone: terminated or of itself. */
  end(instanceId: string): void {
    const machine = this.machines.get(instanceId);
    if (machine) machine.running = false;
  }

  takeBack(instanceId: string): void {
    const machine = this.machines.get(instanceId);
    if (machine) Object.assign(machine, { running: false, takenBack: true });
  }

  #boot(request: LaunchRequest): LaunchedInstance {
    const choice = request.choices?.[0];
    this.#made += 1;
    const launched: LaunchedInstance = {
      instanceId: `i-${String(this.#made).padStart(8, '0')}`,
      instanceType: choice?.offer.instanceType ?? 'c7g.medium',
      hourlyPriceUsd: choice?.hourlyPriceUsd ?? 0.0145,
      launchedAt: this.#clock.now().toISOString(),
      ...(choice ? { slots: choice.slots } : {}),
    };
    this.machines.set(launched.instanceId, { launched, request: copy(request), running: true, takenBack: false });
    return launched;
  }
}
