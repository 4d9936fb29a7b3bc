/** Why a job gets no machines, told on the job itself: nobody should have to guess where to look. */
import type { BootRecord, LaunchAllowance } from '../../core/launch-breaker.ts';
import type { ScalePlan } from '../../core/plan-scale.ts';
import type { Clock, JobProgress, JobStore } from '../../core/ports.ts';
import type { Launched } from './launch-machines.ts';

interface TellPorts {
  readonly jobs: Pick<JobStore, 'reportProblem'>;
  readonly clock: Clock;
}

interface Trouble {
  readonly plan: ScalePlan;
  readonly allowance: LaunchAllowance;
  readonly boots: BootRecord;
  readonly launched: Launched;
  readonly problem: string | null;
}

export async function tellJobs(jobs: readonly JobProgress[], trouble: Trouble, ports: TellPorts): Promise<void> {
  const told = troubleOf(trouble);
  if (told) await tellReason(jobs, told, ports);
}

export async function tellReason(
  jobs: readonly JobProgress[],
  told: { readonly reason: string; readonly instanceId: string | null },
  ports: TellPorts,
): Promise<void> {
  const at = ports.clock.now().toISOString();
  for (const { job, counters } of jobs) {
    // What a machine says of the job's own tasks is worth more.
    if (job.problem && (job.problem.taskId !== null || job.problem.reason === told.reason)) continue;
    const tasksEnded = counters.completed + counters.failed;
    const row = { count: 0, since: null, machines: [], hopeless: false };
    await ports.jobs.reportProblem(job.jobId, { at, taskId: null, ...told, tasksEnded, ...row });
  }
}

function troubleOf(trouble: Trouble): { reason: string; instanceId: string | null } | undefined {
  const { plan, allowance, boots, launched, problem } = trouble;
  if (allowance.state !== 'closed' && boots.lastFailure) {
    const { instanceId, reason } = boots.lastFailure;
    return { instanceId, reason: `machines do not boot, ${boots.failedInARow} in a row: ${reason}` };
  }
  if (allowance.reason) return { instanceId: null, reason: allowance.reason };
  if (plan.launch > 0 && problem) return { instanceId: null, reason: problem };
  const [error] = launched.errors;
  if (error && launched.count === 0) return { instanceId: null, reason: `no machine could be had: ${error.message}` };
  return undefined;
}
