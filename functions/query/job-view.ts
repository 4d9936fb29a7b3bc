/** What a job looks like to its user. Pure. */
import { type Counters, type TaskCounts, taskCounts } from '../../core/counters.ts';
import { isClosed, type Job, type JobProblem } from '../../core/job.ts';
import type { Placement } from '../../core/placement.ts';
import type { JobProgress } from '../../core/ports.ts';
import { type JobLinks, jobLinks } from '../http/job-links.ts';

type Untold = 'taskToken' | 'keyed' | 'awaits' | 'sweep' | 'moved' | 'priorities';

export interface JobView extends Omit<Job, Untold | 'problem' | 'placement'> {
  /** The latest trouble that machines had with its tasks, or in getting any. */
  readonly problem: ProblemView | null;
  /** Of a job over several fleets; `null` for any other. */
  readonly placement: PlacementView | null;
  readonly counters: TaskCounts;
  /** Share of tasks that ended, 0 to 1. */
  readonly progress: number;
  /** Completed tasks a minute since the first one started; `null` while there is nothing to measure. */
  readonly tasksPerMinute: number | null;
  readonly secondsPerTask: number | null;
  readonly etaSeconds: number | null;
  /** What its ended attempts cost, as far as their machines' prices are known. */
  readonly costUsd: number;
  /** The part of that which brought no result: interruptions, lost machines, failures that were tried again. */
  readonly lostSeconds: number;
  readonly lostUsd: number;
  readonly links: JobLinks;
}

export function jobView({ job, counters }: JobProgress, now: Date): JobView {
  const { taskToken: _token, keyed: _keyed, awaits: _awaits, ...rest } = job;
  const { sweep: _sweep, moved: _moved, priorities: _priorities, ...told } = rest;
  const counts = taskCounts(job.taskCount, counters, isClosed(job.status));
  const ended = counts.completed + counts.failed + counts.cancelled;
  const perMinute = tasksPerMinute(job, counts, now);
  const left = counts.pending + counts.running;
  return {
    ...told,
    problem: job.problem && problemView(job.problem),
    placement: job.placement && placementView(job.placement, counters),
    counters: counts,
    progress: ended / job.taskCount,
    tasksPerMinute: perMinute === null ? null : rounded(perMinute),
    secondsPerTask: secondsPerTask(counters),
    etaSeconds: perMinute && left > 0 ? Math.ceil((left / perMinute) * 60) : null,
    costUsd: roundedUsd(counters.costUsd),
    lostSeconds: rounded(counters.lostSeconds),
    lostUsd: roundedUsd(counters.lostUsd),
    links: jobLinks(job.jobId),
  };
}

/** Without what only decides whether the job is given up. */
type ProblemView = Omit<JobProblem, 'tasksEnded' | 'hopeless'>;

const problemView = ({ tasksEnded: _ended, hopeless: _hopeless, ...told }: JobProblem): ProblemView => told;

export interface PlacementView extends Omit<Placement, 'shares'> {
  /** What each fleet was given at first, and how many of those tasks have ended, wherever. */
  readonly shares: readonly (Placement['shares'][number] & { readonly ended: number })[];
}

const placementView = (placement: Placement, { endedByFleet = {} }: Counters): PlacementView => ({
  ...placement,
  shares: placement.shares.map((share) => ({ ...share, ended: endedByFleet[share.fleet] ?? 0 })),
});

function tasksPerMinute(job: Job, counts: TaskCounts, now: Date): number | null {
  if (!job.startedAt) return null;
  const until = job.finishedAt ? Date.parse(job.finishedAt) : now.getTime();
  const minutes = (until - Date.parse(job.startedAt)) / 60_000;
  const done = counts.completed + counts.failed;
  return minutes > 0 && done > 0 ? done / minutes : null;
}

const secondsPerTask = ({ completed, completedSeconds }: Counters): number | null =>
  completed > 0 ? rounded(completedSeconds / completed) : null;

/** For display only: a slow job's rate would round to nothing, and its end to never. */
const rounded = (number: number): number => Math.round(number * 1_000) / 1_000;
/** A short task's share of a machine is a matter of millionths. */
const roundedUsd = (usd: number): number => Math.round(usd * 1e9) / 1e9;
