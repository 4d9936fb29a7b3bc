/**
 * Trouble that machines have with a job, through no fault of its tasks. One machine may be broken, and a host may be down
 * for a while; but trouble that lasts, on one machine after the other, with no task ending in between, is the job's own:
 * it would only go on to cost machines. Such a job is given up.
 */
import type { Counters } from './counters.ts';
import type { JobProblem } from './job.ts';

/** So long it must last: a host that is down for a while fails every machine that asks it. */
export const GIVE_UP_SECONDS = 600;
/** A job of which any task has ended can be prepared, as one sees: so many times as long. */
const PATIENCE_ONCE_WORKED = 12;
/** So often in a row, on two machines at least … */
const GIVE_UP_COUNT = 6;
/** … or so often, on one. */
const GIVE_UP_COUNT_OF_ONE = 12;

/** What a machine said when it could not run a task. */
export type MachineTrouble = Pick<JobProblem, 'at' | 'taskId' | 'reason'> & { readonly instanceId: string };

/**
 * The job's problem after more trouble. Each machine counts once: it gives back everything it holds at a time.
 * @param troubles in order, at least one
 * @param fresh of these, the ones that were not known before
 * @param tasksEnded how many tasks have ended by now: one more than before, and the row begins anew
 */
export function problemAfter(
  before: JobProblem | null,
  [first, ...more]: readonly [MachineTrouble, ...MachineTrouble[]],
  fresh: readonly MachineTrouble[],
  tasksEnded: number,
  giveUpSeconds = GIVE_UP_SECONDS,
): JobProblem {
  const row = before && tasksEnded <= before.tasksEnded ? before : null;
  const last = more.at(-1) ?? first;
  const machines = new Set(fresh.map(({ instanceId }) => instanceId));
  const count = (row?.count ?? 0) + machines.size;
  const since = row?.since ?? first.at;
  // Whether it is more than one is all that matters.
  const seen = [...new Set([...(row?.machines ?? []), ...machines])].slice(0, 2);
  const patience = tasksEnded > 0 ? PATIENCE_ONCE_WORKED : 1;
  const lasts = Date.parse(last.at) - Date.parse(since) >= giveUpSeconds * patience * 1_000;
  const hopeless = lasts && count >= (seen.length > 1 ? GIVE_UP_COUNT : GIVE_UP_COUNT_OF_ONE);
  const { at, taskId, instanceId, reason } = last;
  return { at, taskId, instanceId, reason, tasksEnded, count, since, machines: seen, hopeless };
}

/** Whether a job is given up: unless a task ended since. */
export const isHopeless = (problem: JobProblem | null, { completed, failed }: Counters): boolean =>
  problem?.hopeless === true && completed + failed <= problem.tasksEnded;
