/** The accounting over ports in memory, a minute past the start: jobs that wait for their completion, and their rows. */
import type { Counters } from '../../../core/counters.ts';
import type { Job } from '../../../core/job.ts';
import type { TaskRecord } from '../../../core/task.ts';
import { jobIdFactory, taskIdFactory } from '../../../test/factories/ids.ts';
import { countersFactory, jobFactory } from '../../../test/factories/job.ts';
import { at, ManualClock, START } from '../../../test/factories/manual-clock.ts';
import { InMemoryDelayedQueue } from '../../../test/fakes/in-memory-delayed-queue.ts';
import { InMemoryFleetStore } from '../../../test/fakes/in-memory-fleet-store.ts';
import { InMemoryJobMachine } from '../../../test/fakes/in-memory-job-machine.ts';
import { InMemoryJobStore } from '../../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../../test/fakes/in-memory-tables.ts';
import { inMemoryTaskQueues } from '../../../test/fakes/in-memory-task-queue.ts';
import { InMemoryTaskStore } from '../../../test/fakes/in-memory-task-store.ts';
import type { ApplyPorts } from '../apply-reports.ts';
import { ReportingMachines } from '../reporting-machines.ts';

/** What the execution of every job waits with. */
export const TOKEN = 'token-1';

export function accountingWorld() {
  const tables = new InMemoryTables();
  const machine = new InMemoryJobMachine();
  machine.waitFor(TOKEN);
  const clock = new ManualClock(at(60));
  const fleets = new InMemoryFleetStore();
  const ports = {
    jobs: new InMemoryJobStore(tables),
    tasks: new InMemoryTaskStore(tables),
    reporting: new ReportingMachines(fleets),
    queues: inMemoryTaskQueues({ clock }),
    delayed: new InMemoryDelayedQueue({ clock }),
    machine,
    clock,
    random: () => 0,
  } satisfies ApplyPorts;
  return {
    ports,
    tables,
    fleets,
    /** A job that runs, with these rows. */
    addJob: (
      overrides: Partial<Job> = {},
      rows: readonly TaskRecord[] = [],
      counters: Partial<Counters> = { running: rows.filter(({ status }) => status === 'RUNNING').length },
    ): Job => {
      const job = jobFactory({ status: 'RUNNING', startedAt: START, taskToken: TOKEN, ...overrides });
      tables.jobs.set(job.jobId, { job, counters: countersFactory(counters) });
      for (const row of rows) tables.tasks.set(row.taskId, row);
      return job;
    },
    job: (jobId = jobIdFactory()) => tables.jobs.get(jobId)?.job,
    counters: (jobId = jobIdFactory()) => tables.jobs.get(jobId)?.counters,
    row: (index = 0, jobId = jobIdFactory()) => tables.tasks.get(taskIdFactory(index, jobId)),
    /** What was sent to the usual queue, and nobody has received yet. */
    sent: async () => {
      const queue = ports.queues('default', 'normal');
      const { leases } = await queue.receive({ maxMessages: 10, waitSeconds: 0, leaseSeconds: 60 });
      return leases.map(({ message }) => message);
    },
  };
}
