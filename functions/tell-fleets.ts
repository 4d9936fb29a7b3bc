/** What the machines of a job must know, told on every fleet where they are: `control/{fleet}.json`, one a fleet. */
import type { ControlDocument } from '../core/control-document.ts';
import type { Job } from '../core/job.ts';
import { fleetsWithTasks, hasLeft } from '../core/placement.ts';
import type { ControlChannel } from '../core/ports.ts';

/**
 * A fleet that cannot be told keeps no other from hearing it. One that the job has left need not hear it: it may be gone for
 * good, and its machines hear of nothing then.
 * @throws whatever the channel throws, once all the others have been told
 */
export async function tellFleets(
  job: Job,
  control: Pick<ControlChannel, 'update'>,
  change: (document: ControlDocument) => ControlDocument,
): Promise<void> {
  const left = job.placement?.left.map(({ fleet }) => fleet) ?? [];
  const fleets = [...fleetsWithTasks(job), ...left];
  const told = await Promise.allSettled(fleets.map((fleet) => control.update(fleet, change)));
  const failed = told.find((outcome, at) => outcome.status === 'rejected' && !hasLeft(job, fleets[at] ?? ''));
  if (failed?.status === 'rejected') throw failed.reason;
}
