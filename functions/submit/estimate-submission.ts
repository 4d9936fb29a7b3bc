/** What a job will cost and how long its tasks take, as far as can be told when it is taken. */
import type { Estimate } from '../../core/estimate.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { JobSubmission } from '../../core/job-submission.ts';
import { type MeasuredSeconds, measuredBefore } from './earlier-jobs.ts';
import { estimateOn } from './estimate-work.ts';
import type { SubmitPorts } from './take-job.ts';

/** An estimate is a courtesy: a job is taken without one rather than refused. */
export async function estimateSubmission(
  submission: JobSubmission,
  fleets: readonly Fleet[],
  { jobs, offers, clock, onNotEstimated }: Pick<SubmitPorts, 'jobs' | 'offers' | 'clock' | 'onNotEstimated'>,
): Promise<{ readonly measured: MeasuredSeconds | null; readonly estimate: Estimate | null }> {
  const fleet = fleets.find(({ name }) => name === submission.fleet);
  try {
    const [measured, prices] = await Promise.all([measuredBefore(submission, jobs), offers.list()]);
    const asked = { ...submission, taskCount: submission.tasks.length };
    return { measured, estimate: fleet ? estimateOn(fleet, asked, measured, prices, clock.now()) : null };
  } catch (error) {
    onNotEstimated(error);
    return { measured: null, estimate: null };
  }
}
