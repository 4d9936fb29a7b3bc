/** A fleet as it could be used for a job: what `placeTasks` compares. */
import { chooseInstances, workloadToCome } from './choose-instances.ts';
import type { Resources } from './code.ts';
import { counted } from './counted.ts';
import type { Fleet } from './fleet.ts';
import type { Instance } from './instance.ts';
import type { Offer } from './offer.ts';
import { willWork } from './outstanding-work.ts';
import { isOwn } from './own-machines.ts';
import type { Candidate } from './place-tasks.ts';
import { slotsPerTask } from './slots.ts';

/** Of the first 10 TB a month that leave AWS, where the control plane is (EC2 on-demand pricing, data transfer). */
const USD_PER_GB_OUT_OF_AWS = 0.09;

export interface CandidateWork {
  readonly tasks: number;
  readonly secondsPerTask: number;
  readonly resources: Resources | null;
}

export interface FleetKnowledge {
  /** Pools that had nothing to rent a moment ago. */
  readonly soldOut: ReadonlySet<string>;
  /** Why it cannot be used now, whatever is on offer; `null`: nothing speaks against it. */
  readonly trouble: string | null;
  readonly bootSeconds: number;
  /** Its machines, in any state. */
  readonly instances: readonly Pick<Instance, 'state' | 'slots'>[];
}

/** @param offers of any provider; `null`: the fleet's machines are not rented, and cost nothing */
export function candidateOf(
  fleet: Fleet,
  work: CandidateWork,
  offers: readonly Offer[] | null,
  knowledge: FleetKnowledge,
): Candidate {
  const perTask = slotsPerTask(work.resources, fleet.slot);
  const common = {
    fleet: fleet.name,
    unavailable: knowledge.trouble,
    tasksAtOnce: Math.max(1, Math.floor(1 / perTask)),
    maxInstances: fleet.maxInstances,
    bootSeconds: knowledge.bootSeconds,
    drainTargetSeconds: fleet.drainTargetSeconds,
    egressUsdPerGb: fleet.provider === 'aws' ? 0 : USD_PER_GB_OUT_OF_AWS,
  };
  if (isOwn(fleet)) return { ...common, usdPerTask: 0, ...capacityOfOwn(knowledge.instances, perTask) };
  if (offers === null) return { ...common, usdPerTask: 0, reason: 'its machines are not rented' };
  const own = offers.filter(({ provider }) => provider === fleet.provider);
  if (own.length === 0) return { ...common, usdPerTask: null, reason: `no prices of ${fleet.provider} are known` };
  const workload = workloadToCome(fleet, { ...work, slotsPerTask: perTask, bootSeconds: knowledge.bootSeconds });
  const { choices, refused } = chooseInstances(fleet, workload, own, knowledge);
  const [best] = choices;
  if (!best) {
    const reason = `no machine on offer fits: ${commonest(refused.map((each) => each.reason))}`;
    return { ...common, usdPerTask: null, reason, unavailable: common.unavailable ?? reason };
  }
  return {
    ...common,
    usdPerTask: best.usdPerTask * perTask,
    tasksAtOnce: Math.max(1, Math.floor(best.slots / perTask)),
    reason: best.reason,
  };
}

/** Whoever has joined is there; whether others come, nobody knows. Where none has, as many may as the fleet may have. */
function capacityOfOwn(instances: FleetKnowledge['instances'], slotsPerTask: number) {
  const there = instances.filter(willWork);
  if (there.length === 0) return { reason: 'its machines are your own; none has joined it yet' };
  const slots = there.reduce((sum, each) => sum + each.slots, 0);
  return {
    maxInstances: there.length,
    tasksAtOnce: Math.max(1, Math.floor(slots / there.length / slotsPerTask)),
    reason: `${counted(there.length, 'machine')} of your own joined it, with ${counted(slots, 'slot')}`,
  };
}

function commonest(reasons: readonly string[]): string {
  const [most] = [...Map.groupBy(reasons, (reason) => reason)].sort(([, a], [, b]) => b.length - a.length);
  return most?.[0] ?? 'nothing is offered';
}
