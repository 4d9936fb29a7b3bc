/** What the rest of an open job will cost, and when it will be done: told by its own first tasks, once some have ended. */
import { budgetLeftUsd } from '../../core/budget.ts';
import type { Estimate, MeasuredSeconds } from '../../core/estimate.ts';
import type { SplitEstimate } from '../../core/estimate-split.ts';
import type { Fleet } from '../../core/fleet.ts';
import { isClosed } from '../../core/job.ts';
import { fleetOf, openByFleet } from '../../core/placement.ts';
import type { JobProgress, OfferList } from '../../core/ports.ts';
import { estimateOn } from '../submit/estimate-work.ts';
import { estimateOfSplit } from '../submit/split-work.ts';

/** `null` when nothing is left to be done. */
export function estimateOfRest(
  { job, counters }: JobProgress,
  fleets: readonly Fleet[],
  offers: OfferList,
  now: Date,
): Estimate | SplitEstimate | null {
  const open = job.taskCount - counters.completed - counters.failed - counters.cancelled;
  if (isClosed(job.status) || open <= 0) return null;
  const { completed, completedSeconds } = counters;
  const learned = job.learnedSeconds === null ? null : { seconds: job.learnedSeconds, tasks: 1 };
  const measured: MeasuredSeconds | null =
    completed > 0 ? { seconds: completedSeconds / completed, tasks: completed, ofThisJob: true } : learned;
  const asked = { ...job, taskCount: open, budgetUsd: budgetLeftUsd(job, counters) };
  if (!job.placement) {
    const fleet = fleets.find(({ name }) => name === fleetOf(job, 0));
    return fleet ? estimateOn(fleet, asked, measured, offers, now) : null;
  }
  const byFleet = openByFleet(job.placement, counters.endedByFleet ?? {});
  const shares = [...byFleet].map(([fleet, tasks]) => ({ fleet, tasks }));
  const named = fleets.filter(({ name }) => byFleet.has(name));
  return estimateOfSplit(named, { shares, reasons: job.placement.reasons }, asked, measured, offers, now);
}
