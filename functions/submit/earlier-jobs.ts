/** What earlier jobs tell of a new one: the seconds of a task, if the same command of the same repository ran before. */
import type { MeasuredSeconds } from '../../core/estimate.ts';
import type { Job, JobSummary } from '../../core/job.ts';
import { fleetsNamed } from '../../core/placement.ts';
import type { JobStore } from '../../core/ports.ts';

/** So far back, and so many jobs of the same command are looked at: one query, and a read for each job. */
const LOOKED_AT = 20;
const MOST_JOBS = 5;

/** Jobs are told apart by name and fleets first: a list does not say what they run. One fleet in common is enough. */
export interface Alike extends Pick<Job, 'name' | 'fleet'> {
  readonly code: { readonly repository: string; readonly run: readonly string[] };
}

/** Eventually consistent; `null` if there is nothing to learn from. */
export async function measuredBefore(job: Alike, jobs: JobStore): Promise<MeasuredSeconds | null> {
  const { items } = await jobs.list({ status: 'COMPLETED', limit: LOOKED_AT });
  const fleets = new Set(fleetsNamed(job));
  const isAlike = (each: JobSummary): boolean =>
    each.name === job.name && fleetsNamed(each).some((one) => fleets.has(one));
  const alike = items.filter(isAlike).slice(0, MOST_JOBS);
  const progress = await Promise.all(alike.map(({ jobId }) => jobs.progress(jobId)));
  let tasks = 0;
  let seconds = 0;
  for (const each of progress) {
    if (!each || !runsTheSame(each.job.code, job.code)) continue;
    tasks += each.counters.completed;
    seconds += each.counters.completedSeconds;
  }
  return tasks > 0 ? { seconds: seconds / tasks, tasks } : null;
}

const runsTheSame = (a: Alike['code'], b: Alike['code']): boolean =>
  a.repository === b.repository && JSON.stringify(a.run) === JSON.stringify(b.run);
