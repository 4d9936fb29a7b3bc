/** Whether a job has spent what it may. At its budget it is paused: what runs may finish, and the overshoot is shown. */
import type { Counters } from './counters.ts';
import type { Job } from './job.ts';
import { usd } from './money.ts';

type Budgeted = Pick<Job, 'budgetUsd'>;

/** What may still be spent on it, never less than nothing; `null`: it has no budget. */
export const budgetLeftUsd = ({ budgetUsd }: Budgeted, { costUsd }: Pick<Counters, 'costUsd'>): number | null =>
  budgetUsd === null ? null : Math.max(0, budgetUsd - costUsd);

/** Why the job must pause, `null` while it need not. A job whose every task has ended needs no pause. */
export function whyPause(
  job: Budgeted & Pick<Job, 'status' | 'taskCount'>,
  counters: Pick<Counters, 'costUsd' | 'completed' | 'failed' | 'cancelled'>,
): string | null {
  if (!['PENDING', 'ENQUEUED', 'RUNNING'].includes(job.status) || job.budgetUsd === null) return null;
  const ended = counters.completed + counters.failed + counters.cancelled;
  if (ended >= job.taskCount || counters.costUsd < job.budgetUsd) return null;
  return `paused at its budget: ${usd(counters.costUsd)} of ${usd(job.budgetUsd)} are spent`;
}
