import type { Fleet } from '../../core/fleet.ts';
import { type Job, prioritiesOf } from '../../core/job.ts';
import type { QueueDepth } from '../../core/plan-scale.ts';
import type { TaskQueues } from '../../core/ports.ts';
import type { FleetJob } from './fleet-job.ts';

/** What waits on a fleet's queues, of those that open jobs use: nothing on another is work. `null` if one of them does not tell. */
export const depthOf = (
  fleet: Pick<Fleet, 'name'>,
  jobs: readonly FleetJob[],
  queues: TaskQueues,
): Promise<QueueDepth | null> => {
  const open = jobs.filter(({ part }) => part.openTasks > 0);
  return depthFor(
    open.map(({ job }) => job),
    fleet.name,
    queues,
  );
};

/** The same, of those on which these jobs may have messages. */
export async function depthFor(jobs: readonly Job[], fleet: string, queues: TaskQueues): Promise<QueueDepth | null> {
  const priorities = [...new Set(jobs.flatMap(prioritiesOf))];
  const told = await Promise.all(priorities.map((priority) => queues(fleet, priority).depth()));
  const depths = told.filter((depth) => depth !== null);
  if (depths.length < told.length) return null;
  const sum = (of: 'visible' | 'inFlight' | 'delayed'): number => depths.reduce((total, depth) => total + depth[of], 0);
  return { visible: sum('visible'), inFlight: sum('inFlight'), delayed: sum('delayed') };
}
