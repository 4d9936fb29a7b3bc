/** Work over several fleets: which of them has which part of it, and what that will cost. */

import { type MeasuredSeconds, secondsRange } from '../../core/estimate.ts';
import { estimateSplit, type SplitEstimate } from '../../core/estimate-split.ts';
import type { Fleet } from '../../core/fleet.ts';
import { candidateOf } from '../../core/fleet-candidate.ts';
import { splitMachines } from '../../core/fleet-part.ts';
import { whyAvoid } from '../../core/fleet-trouble.ts';
import { type PlacedTasks, placeTasks } from '../../core/place-tasks.ts';
import type { FleetStore, OfferList } from '../../core/ports.ts';
import { soldOutPools } from '../../core/stock-outs.ts';
import { type AskedWork, BOOT_SECONDS, estimateOn } from './estimate-work.ts';

export interface SplitPorts {
  /** What is known of the fleets' trouble and stock-outs; without it, or where it cannot be read, nothing is. */
  readonly fleetStates?: Pick<FleetStore, 'read'> | undefined;
}

/** @param offers `null`: no prices can be had now */
export async function splitWork(
  fleets: readonly Fleet[],
  asked: AskedWork & { readonly inputBytesPerTask: number | null },
  measured: MeasuredSeconds | null,
  offers: OfferList | null,
  now: Date,
  { fleetStates }: SplitPorts,
): Promise<PlacedTasks> {
  const secondsPerTask = secondsRange({ ...asked, measured }).likely;
  const candidates = await Promise.all(
    fleets.map(async (fleet) => {
      const known = await fleetStates?.read(fleet.name).catch(() => undefined);
      const work = { tasks: asked.taskCount, secondsPerTask, resources: asked.resources };
      return candidateOf(fleet, work, offers?.offers ?? [], {
        soldOut: soldOutPools(known?.state.stockOuts ?? [], now),
        trouble: whyAvoid(known?.state.trouble, now),
        bootSeconds: BOOT_SECONDS,
        instances: known?.instances ?? [],
      });
    }),
  );
  const secondsLeft = asked.deadline === null ? null : (Date.parse(asked.deadline) - now.getTime()) / 1_000;
  const { inputBytesPerTask, maxInstances } = asked;
  return placeTasks(
    { tasks: asked.taskCount, secondsPerTask, secondsLeft, maxInstances, inputBytesPerTask },
    candidates,
  );
}

/** What the split costs, on each of the fleets that have a part of it. */
export function estimateOfSplit(
  fleets: readonly Fleet[],
  { shares, reasons }: PlacedTasks,
  asked: AskedWork,
  measured: MeasuredSeconds | null,
  offers: OfferList,
  now: Date,
): SplitEstimate {
  const having = shares.filter(({ tasks }) => tasks > 0);
  const machines = asked.maxInstances === null ? null : splitMachines(asked.maxInstances, having);
  const estimated = having.flatMap(({ fleet: name, tasks }) => {
    const fleet = fleets.find((each) => each.name === name);
    const maxInstances = machines?.get(name) ?? null;
    const part = { ...asked, taskCount: tasks, maxInstances, budgetUsd: null };
    return fleet ? [{ tasks, estimate: estimateOn(fleet, part, measured, offers, now) }] : [];
  });
  const names = fleets.map(({ name }) => name);
  return estimateSplit(names, estimated, asked.budgetUsd, reasons);
}
