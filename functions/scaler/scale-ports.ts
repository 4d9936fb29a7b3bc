/** What scaling one fleet needs of the world, what it is told, and what came of it. */
import type { Fleet } from '../../core/fleet.ts';
import type { LaunchAllowance } from '../../core/launch-breaker.ts';
import type { ScalePlan } from '../../core/plan-scale.ts';
import type {
  Clock,
  FleetStore,
  InstanceProvider,
  JobStore,
  OfferSource,
  StatusFlow,
  TaskQueues,
} from '../../core/ports.ts';
import type { ObservedInstance } from '../../core/reconcile-instances.ts';
import type { LaunchSettings } from './scale-snapshot.ts';
import type { LostMachine } from './take-back-tasks.ts';

export interface ScaleSettings extends LaunchSettings {
  /** Instead of the fleet's own: machines that cost nothing need not be filled. */
  readonly drainTargetSeconds: number | null;
  /** From launch to the first task, until the fleet's machines have told. */
  readonly bootSeconds: number;
  readonly unknownSecondsPerTask: number;
  /** An intent that was not found by then is given up. */
  readonly intentSeconds: number;
  /** A machine may be missing from the provider's list for so long after its launch. */
  readonly listGraceSeconds: number;
  /** Look for machines even where there should be none. */
  readonly look?: boolean;
}

/** What a provider listed. The answer may be long in coming: it speaks of the time at which it was asked. */
export interface Observation {
  readonly machines: readonly ObservedInstance[];
  readonly askedAt: Date;
}

export interface ScaledFleet {
  readonly fleet: string;
  readonly plan: ScalePlan;
  readonly launched: number;
  readonly terminated: number;
  /** Whether its machines boot: see core/launch-breaker.ts. */
  readonly breaker: LaunchAllowance['state'];
}

export interface ScalePorts {
  readonly fleets: FleetStore;
  readonly jobs: Pick<JobStore, 'reportProblem'>;
  readonly queues: TaskQueues;
  /** Without one, reports are taken as read. */
  readonly statusFlow?: Pick<StatusFlow, 'appliedUntil'>;
  readonly providerOf: (fleet: Fleet) => InstanceProvider | undefined;
  /** What may be rented for a fleet; nothing, where its machines are not rented. */
  readonly offersOf?: (fleet: Fleet) => OfferSource | undefined;
  /** All machines of a provider, listed once a tick. */
  readonly observe: (provider: InstanceProvider) => Promise<Observation>;
  readonly clock: Clock;
  readonly newIntentId: () => string;
  /** Gives what machines held that are gone back to others (take-back-tasks.ts). May be repeated. */
  readonly takeBackTasks: (machines: readonly LostMachine[]) => Promise<number>;
}
