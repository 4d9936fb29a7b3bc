/** How long one task of a job takes, as far as anybody can tell. */
import type { JobProgress } from './ports.ts';

/**
 * Measured, else as its user expects, else as earlier jobs of the same command took, else: at least as long as its first
 * task has been running by now. `null` when nothing is known; never above the time limit of a task.
 */
export function secondsPerTask({ job, counters }: JobProgress, now: Date): number | null {
  if (counters.completed > 0) return counters.completedSeconds / counters.completed;
  if (job.expectedSeconds !== null) return job.expectedSeconds;
  if (job.learnedSeconds !== null) return job.learnedSeconds;
  if (counters.running === 0 || job.startedAt === null) return null;
  const running = (now.getTime() - Date.parse(job.startedAt)) / 1_000;
  return running > WORTH_TELLING_SECONDS ? Math.min(running, job.timeoutSeconds) : null;
}
/** What is taken for a task of which nothing is known is about this; a shorter wait tells nothing. */
const WORTH_TELLING_SECONDS = 60;
