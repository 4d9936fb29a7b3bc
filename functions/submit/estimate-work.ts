/** Prices and finish times of work that is not submitted yet, or just is. */

import type { Resources } from '../../core/code.ts';
import { type Estimate, estimateJob, type MeasuredSeconds, secondsRange } from '../../core/estimate.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { OfferList } from '../../core/ports.ts';
import { slotsPerTask } from '../../core/slots.ts';

/** From launch to the first task; the scaler goes by the boots it sees. */
export const BOOT_SECONDS = 60;

export interface AskedWork {
  readonly taskCount: number;
  readonly expectedSeconds: number | null;
  readonly timeoutSeconds: number;
  readonly resources: Resources | null;
  readonly maxInstances: number | null;
  readonly budgetUsd: number | null;
  readonly deadline: string | null;
}

export function estimateOn(
  fleet: Fleet,
  asked: AskedWork,
  measured: MeasuredSeconds | null,
  offers: OfferList,
  now: Date,
): Estimate {
  const { resources, ...work } = asked;
  return estimateJob(
    {
      ...work,
      slotsPerTask: slotsPerTask(resources, fleet.slot),
      secondsPerTask: secondsRange({ ...asked, measured }),
    },
    fleet,
    offers,
    now,
    { bootSeconds: BOOT_SECONDS },
  );
}
