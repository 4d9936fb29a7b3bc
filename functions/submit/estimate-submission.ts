/** What a job will cost, how long its tasks take and where they run, as far as can be told when it is taken. */
import type { Estimate, MeasuredSeconds } from '../../core/estimate.ts';
import type { SplitEstimate } from '../../core/estimate-split.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { JobSubmission } from '../../core/job-submission.ts';
import { fleetsNamed, type Placement } from '../../core/placement.ts';
import type { Clock, JobStore, OfferList, OfferSource } from '../../core/ports.ts';
import { measuredBefore } from './earlier-jobs.ts';
import { estimateOn } from './estimate-work.ts';
import { estimateOfSplit, type SplitPorts, splitWork } from './split-work.ts';

export interface SubmissionEstimate {
  readonly measured: MeasuredSeconds | null;
  readonly estimate: Estimate | SplitEstimate | null;
  /** `null`: it names one fleet. */
  readonly placement: Placement | null;
}

export interface EstimatePorts extends SplitPorts {
  readonly jobs: JobStore;
  readonly offers: OfferSource;
  readonly clock: Clock;
  /** Told when a job is taken without an estimate. */
  readonly onNotEstimated: (error: unknown) => void;
}

/** An estimate is a courtesy: a job is taken without one rather than refused, and placed by what is known. */
export async function estimateSubmission(
  submission: JobSubmission,
  fleets: readonly Fleet[],
  ports: EstimatePorts,
): Promise<SubmissionEstimate> {
  const named = fleetsNamed(submission).flatMap((name) => fleets.find((fleet) => fleet.name === name) ?? []);
  const { measured, prices } = await known(submission, ports);
  const now = ports.clock.now();
  const asked = { ...submission, taskCount: submission.tasks.length };
  const [first] = named;
  if (named.length < 2) {
    const estimate = first && prices ? estimateOn(first, asked, measured, prices, now) : null;
    return { measured, estimate, placement: null };
  }
  const inputBytes = submission.tasks.reduce((sum, { input }) => sum + JSON.stringify(input).length, 0);
  const work = { ...asked, inputBytesPerTask: inputBytes / submission.tasks.length };
  const placed = await splitWork(named, work, measured, prices, now, ports);
  const estimate = prices && estimateOfSplit(named, placed, asked, measured, prices, now);
  const { shares, reasons } = placed;
  return {
    measured,
    estimate,
    placement: { shares: [...shares], left: [], reasons: [...reasons], at: now.toISOString() },
  };
}

async function known(
  submission: JobSubmission,
  { jobs, offers, onNotEstimated }: EstimatePorts,
): Promise<{ readonly measured: MeasuredSeconds | null; readonly prices: OfferList | null }> {
  try {
    const [measured, prices] = await Promise.all([measuredBefore(submission, jobs), offers.list()]);
    return { measured, prices };
  } catch (error) {
    onNotEstimated(error);
    return { measured: null, prices: null };
  }
}
