/**
 * Changes an open job: its budget, how many machines it may have, its priority, whether it pauses. Machines are told by the
 * control document, after the job is written: asked again, a run that died between the two is made good.
 */
import { z } from 'zod';
import { withPauseOf } from '../../core/control-document.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../core/errors.ts';
import { isClosed } from '../../core/job.ts';
import { jobSubmissionSchema } from '../../core/job-submission.ts';
import { usd } from '../../core/money.ts';
import { fleetsWithTasks } from '../../core/placement.ts';
import type { Clock, ControlChannel, JobProgress, JobStore, Waker } from '../../core/ports.ts';
import { parseDocument } from '../../core/validation.ts';
import { tellFleets } from '../tell-fleets.ts';

export interface AmendPorts {
  readonly jobs: JobStore;
  readonly control: ControlChannel;
  readonly waker: Waker;
  readonly clock: Clock;
}

const { budgetUsd, maxInstances, priority } = jobSubmissionSchema.shape;

const amendmentSchema = z
  .strictObject({
    budgetUsd: budgetUsd.unwrap().optional(),
    maxInstances: maxInstances.unwrap().optional(),
    priority: priority.unwrap().optional(),
    /** `false` resumes. */
    paused: z.boolean().optional(),
  })
  .refine(
    (amendment) => Object.keys(amendment).length > 0,
    'must change something: budgetUsd, maxInstances, priority or paused',
  );

/**
 * @returns the job as it is now
 * @throws ValidationError naming every fault; NotFoundError; ConflictError when the job has ended or is being cancelled
 */
export async function amendJob(jobId: string, body: unknown, ports: AmendPorts): Promise<JobProgress> {
  const { paused, ...settings } = parseDocument(amendmentSchema, body, 'the change');
  const before = await ports.jobs.progress(jobId);
  if (!before) throw new NotFoundError('there is no such job', { context: { jobId } });
  const { job, counters } = before;
  if (isClosed(job.status) || job.status === 'CANCELLING') {
    throw new ConflictError(`the job is ${job.status}: nothing of it can be changed any more`, { context: { jobId } });
  }
  const budget = settings.budgetUsd === undefined ? job.budgetUsd : settings.budgetUsd;
  const isSpent = budget !== null && counters.costUsd >= budget;
  if (isSpent && paused !== true && (paused === false || settings.budgetUsd !== undefined)) {
    const message = `must be more than what is spent already, ${usd(counters.costUsd)}`;
    throw new ValidationError('the change is not valid', [{ path: 'budgetUsd', message }]);
  }
  const fleets = fleetsWithTasks(job).length;
  if (typeof settings.maxInstances === 'number' && job.placement && settings.maxInstances < fleets) {
    const message = `must be at least ${fleets}: the job has tasks on so many fleets`;
    throw new ValidationError('the change is not valid', [{ path: 'maxInstances', message }]);
  }
  await ports.jobs.amend(job, settings);
  // A budget that was raised lets a job go on that paused for it; one that somebody paused by hand stays.
  const resumes =
    paused === false || (paused === undefined && settings.budgetUsd !== undefined && job.pausedFor === 'budget');
  if (paused === true) await ports.jobs.pause(jobId, 'request', 'paused on request');
  else if (resumes) await ports.jobs.resume(jobId);
  const after = await ports.jobs.progress(jobId);
  if (!after) throw new NotFoundError('there is no such job', { context: { jobId } });
  // The control document says what the job's row says.
  await tellFleets(after.job, ports.control, (document) => withPauseOf(document, after.job, ports.clock.now()));
  if (after.job.status !== 'PAUSED') await ports.waker.wake();
  return after;
}
