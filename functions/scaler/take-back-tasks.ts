/**
 * The tasks of a machine that is gone: each is PENDING again, and its message returns at once by its receipt handle,
 * instead of when its lease ends. Only announced starts are known; what a short task held comes back with its lease.
 */
import { inParallel } from '../../adapters/in-parallel.ts';
import { prioritiesOf } from '../../core/job.ts';
import { hasLeft } from '../../core/placement.ts';
import { isTerminal, type TaskRecord } from '../../core/task.ts';
import type { TaskReport } from '../../core/task-report.ts';
import { attemptOf } from '../../core/transition.ts';
import { type ApplyPorts, applyReports, sendAttempts } from '../accounting/apply-reports.ts';
import type { Delivered } from '../accounting/fold-reports.ts';

const MACHINES_AT_ONCE = 8;

export interface LostMachine {
  /** Whose queues its tasks came from. */
  readonly fleet: string;
  readonly instanceId: string;
  readonly reason: string;
}

/** @returns how many tasks were taken back. May be repeated. */
export async function takeBackTasks(machines: readonly LostMachine[], ports: ApplyPorts): Promise<number> {
  const taken = await inParallel(machines, MACHINES_AT_ONCE, async (machine) => {
    const running = await ports.tasks.listByInstance(machine.instanceId);
    const jobs = [...Map.groupBy(running, (task) => task.jobId)];
    for (const [jobId, tasks] of jobs) await takeBack(jobId, tasks, machine, ports);
    return running.length;
  });
  return taken.reduce((sum, count) => sum + count, 0);
}

async function takeBack(
  jobId: string,
  tasks: readonly TaskRecord[],
  machine: LostMachine,
  ports: ApplyPorts,
): Promise<void> {
  const progress = await ports.jobs.progress(jobId);
  if (!progress) return;
  const at = ports.clock.now().toISOString();
  const reports = tasks.flatMap((task): Delivered<TaskReport>[] => {
    if (task.leaseId === null) return [];
    const { taskId, attempt, leaseId } = task;
    const { instanceId, reason } = machine;
    const event = { kind: 'lost', taskId, jobId, attempt, leaseId, instanceId, at, reason } as const;
    return [{ event, messageId: taskId, redelivered: true }];
  });
  await applyReports(progress, reports, ports);
  if (hasLeft(progress.job, machine.fleet)) {
    // On that fleet nobody takes its messages any more.
    const rows = await ports.tasks.getMany(tasks.map(({ taskId }) => taskId));
    const waiting = [...rows.values()].filter(({ status }) => !isTerminal(status));
    await sendAttempts(progress.job, waiting.map(attemptOf), ports);
    return;
  }
  const handles = tasks.flatMap(({ receiptHandle }) => (receiptHandle === null ? [] : [{ receiptHandle }]));
  if (handles.length === 0) return;
  // Nobody noted from which queue each came: on the others it changes nothing.
  await Promise.all(
    prioritiesOf(progress.job).map((priority) => ports.queues(machine.fleet, priority).changeLease(handles, 0)),
  );
}
