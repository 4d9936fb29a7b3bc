/** What held in the end: read from the tables, by the rows of every task. */
import { type Counters, deltaOf } from '../../core/counters.ts';
import { chunksOf } from '../../core/ids.ts';
import type { Job } from '../../core/job.ts';
import type { JobProgress, JobStore, TaskStore } from '../../core/ports.ts';
import { isTerminal, type TaskRecord } from '../../core/task.ts';
import { type ChaosTask, faultsOfTask } from './chaos-tasks.ts';

export interface Promised {
  readonly promise: string;
  readonly held: boolean;
  /** A figure, or what was wrong. */
  readonly finding: string;
}

export interface JudgedJob {
  readonly progress: JobProgress;
  readonly tasks: readonly ChaosTask[];
  readonly rows: readonly TaskRecord[];
}

export async function readJob(
  jobId: string,
  tasks: readonly ChaosTask[],
  stores: { jobs: JobStore; tasks: TaskStore },
): Promise<JudgedJob> {
  const progress = await stores.jobs.progress(jobId);
  if (!progress) throw new Error(`${jobId} is gone`);
  const chunks = await Promise.all(
    chunksOf(tasks.length).map((chunk) => stores.tasks.listChunk(jobId, chunk, 0, tasks.length)),
  );
  return { progress, tasks, rows: chunks.flat() };
}

const COUNTED = ['running', 'completed', 'failed', 'cancelled'] as const;

const countsOf = (rows: readonly TaskRecord[]): Pick<Counters, (typeof COUNTED)[number]> => {
  const sum = { running: 0, completed: 0, failed: 0, cancelled: 0 };
  for (const { status } of rows) {
    const delta = deltaOf('PENDING', status);
    for (const name of COUNTED) sum[name] += delta[name];
  }
  return sum;
};

/** At most so many faults are told; the rest is a number. */
const TOLD = 5;
function promised(promise: string, faults: readonly string[], otherwise: string): Promised {
  const more = faults.length > TOLD ? ` … and ${faults.length - TOLD} more` : '';
  const finding = faults.length === 0 ? otherwise : faults.slice(0, TOLD).join('; ') + more;
  return { promise, held: faults.length === 0, finding };
}

export function verdictOn(jobs: readonly JudgedJob[], processesLeft: readonly string[]): Promised[] {
  const total = jobs.reduce((sum, { tasks }) => sum + tasks.length, 0);
  const rows = jobs.flatMap((job) => job.rows);
  const lostLeases = rows.flatMap((row) => row.attempts).filter(({ outcome }) => outcome === 'lost').length;
  const released = rows.flatMap((row) => row.attempts).filter(({ outcome }) => outcome === 'released').length;
  const evidence = rows.reduce((sum, row) => sum + row.staleReports.length, 0);
  const wrong = jobs.flatMap(({ tasks, rows: ofJob }) => {
    const byIndex = new Map(ofJob.map((row) => [row.index, row]));
    return tasks.flatMap((task, index) =>
      faultsOfTask(task, byIndex.get(index)).map((fault) => ({
        fault,
        text: `task ${task.n} (${task.kind}) ${fault}`,
      })),
    );
  });
  const charges = wrong.filter(({ fault }) => fault.startsWith('was charged'));
  const results = wrong.filter((each) => !charges.includes(each));
  return [
    promised(
      'every job ends as it should',
      jobs.flatMap(({ progress, tasks }) => faultsOfJob(progress.job, tasks)),
      `${jobs.length} jobs`,
    ),
    promised(
      'every task is terminal',
      rows.filter(({ status }) => !isTerminal(status)).map(({ taskId, status }) => `${taskId} is ${status}`),
      `${rows.length} of ${total} tasks`,
    ),
    promised('counters equal rows', jobs.flatMap(faultsOfCounters), `${jobs.length} jobs, ${rows.length} rows`),
    promised(
      'each result is right and counted once',
      results.map(({ text }) => text),
      `${evidence} stale reports kept as evidence`,
    ),
    promised(
      'no attempt is charged for a loss',
      charges.map(({ text }) => text),
      `${lostLeases} leases lost, ${released} attempts released`,
    ),
    promised('no process is left', processesLeft, 'none'),
  ];
}

function faultsOfJob({ jobId, status, statusReason }: Job, tasks: readonly ChaosTask[]): string[] {
  // As many failures are allowed as there are tasks that cannot but fail.
  return status === 'COMPLETED' ? [] : [`${jobId} of ${tasks.length} tasks is ${status} (${statusReason})`];
}

function faultsOfCounters({ progress, rows }: JudgedJob): string[] {
  const counted = countsOf(rows);
  return COUNTED.filter((name) => counted[name] !== progress.counters[name]).map(
    (name) => `${progress.job.jobId} counts ${progress.counters[name]} ${name}, its rows ${counted[name]}`,
  );
}
