/** What a fleet's next machines would be: the offers ranked for the work that is there. Pure. */
import { type Choice, chooseInstances } from '../../core/choose-instances.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { Offer } from '../../core/offer.ts';
import type { OpenWork } from '../../core/plan-scale.ts';
import { type StockOut, soldOutPools } from '../../core/stock-outs.ts';

/** Other types are asked for too, as long as a task costs little more on them: more pools, more capacity. */
const DEAREST = 1.5;

export interface MachineChoice {
  /** The best first; all hold as many slots. */
  readonly choices: readonly Choice[];
  /** Why there are none. */
  readonly problem: string | null;
}

interface Assumptions {
  readonly drainTargetSeconds: number;
  readonly unknownSecondsPerTask: number;
  readonly bootSeconds: number;
}

export function chooseMachines(
  fleet: Fleet,
  work: readonly OpenWork[],
  offers: readonly Offer[],
  stockOuts: readonly StockOut[],
  now: Date,
  assumed: Assumptions,
): MachineChoice {
  const workload = workloadOf(work, fleet, assumed);
  const select = (soldOut: ReadonlySet<string>) => chooseInstances(fleet, workload, offers, { soldOut });
  const remembered = select(soldOutPools(stockOuts, now));
  // Sold out everywhere a moment ago: asking again is all that is left.
  const { choices, refused } = remembered.choices.length > 0 ? remembered : select(new Set());
  const [best] = choices;
  if (!best) return { choices: [], problem: whyNone(refused.map(({ reason }) => reason)) };
  return {
    choices: choices.filter(({ slots, usdPerTask }) => slots === best.slots && usdPerTask <= best.usdPerTask * DEAREST),
    problem: null,
  };
}

function workloadOf(work: readonly OpenWork[], fleet: Fleet, assumed: Assumptions) {
  const { drainTargetSeconds, unknownSecondsPerTask, bootSeconds } = assumed;
  const tasks = work.reduce((sum, job) => sum + job.openTasks, 0);
  const slots = work.reduce((sum, job) => sum + job.openTasks * (job.slotsPerTask ?? 1), 0);
  const slotSeconds = work.reduce(
    (sum, job) => sum + job.openTasks * (job.slotsPerTask ?? 1) * (job.secondsPerTask ?? unknownSecondsPerTask),
    0,
  );
  const taskSeconds = work.reduce((sum, job) => sum + job.openTasks * (job.secondsPerTask ?? unknownSecondsPerTask), 0);
  const secondsPerTask = Math.max(1, tasks > 0 ? taskSeconds / tasks : unknownSecondsPerTask);
  const slotsWanted = Math.max(1, Math.min(slots, Math.ceil(slotSeconds / drainTargetSeconds)));
  const workSeconds = Math.max(secondsPerTask, slotSeconds / slotsWanted);
  return { slotsWanted, secondsPerTask, workSeconds, bootSeconds, idleSeconds: fleet.idleSeconds };
}

/** The rule that most offers broke. */
function whyNone(reasons: readonly string[]): string {
  const [most] = [...Map.groupBy(reasons, (reason) => reason)].sort(([, a], [, b]) => b.length - a.length);
  if (!most) return 'nothing is offered to rent';
  return `no machine on offer fits the fleet: of ${most[1].length} of ${reasons.length} it is said that ${most[0]}`;
}
