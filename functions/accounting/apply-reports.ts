/**
 * Applies the reports on one job, whoever brings them: read → fold → commit rows and counter together → send next
 * attempts → look whether the job is done. The order closes every crash: what is recorded but not sent is sent when the
 * report comes again, and completion is looked at after every report, applied or stale.
 */
import { chunked, inParallel } from '../../adapters/in-parallel.ts';
import { addCounters, type CounterDelta, zeroCounters } from '../../core/counters.ts';
import { TransientError } from '../../core/errors.ts';
import { parseTaskId } from '../../core/ids.ts';
import { isClosed, type Job } from '../../core/job.ts';
import { isSettled } from '../../core/job-outcome.ts';
import { type MachineTrouble, problemAfter } from '../../core/machine-trouble.ts';
import { firstFleetOf, fleetsNamed } from '../../core/placement.ts';
import {
  type Clock,
  type DelayedQueue,
  type JobMachine,
  type JobProgress,
  type JobStore,
  MAX_TASKS_PER_COMMIT,
  type TaskQueues,
  type TaskStore,
} from '../../core/ports.ts';
import type { TaskRecord } from '../../core/task.ts';
import type { TaskReport } from '../../core/task-report.ts';
import type { JobRules, NextAttempt, ReportContext } from '../../core/transition.ts';
import { sendTasks } from '../send-tasks.ts';
import { laterAttempt } from '../task-messages.ts';
import { type Delivered, type FoldedTask, foldTask } from './fold-reports.ts';
import type { ReportingMachines } from './reporting-machines.ts';

/** Another consumer may write the same tasks at the same time; each round one of us gets on. */
const MAX_ROUNDS = 8;
const COMMITS_AT_ONCE = 4;

export interface ApplyPorts {
  readonly jobs: JobStore;
  readonly tasks: TaskStore;
  readonly reporting: ReportingMachines;
  readonly queues: TaskQueues;
  readonly delayed: DelayedQueue;
  readonly machine: JobMachine;
  readonly clock: Clock;
  readonly random: () => number;
  /** How long machines must have trouble with a job until it is given up. */
  readonly giveUpSeconds?: number;
}

export interface AppliedJob {
  readonly applied: readonly FoldedTask[];
  /** Reports whose records must come back. */
  readonly returned: readonly Delivered<TaskReport>[];
  readonly sent: number;
}

/** @throws TransientError when the rows stay contended; whatever a port throws */
export async function applyReports(
  { job, counters }: JobProgress,
  events: readonly Delivered<TaskReport>[],
  ports: ApplyPorts,
): Promise<AppliedJob> {
  const byTask = Map.groupBy(events, ({ event }) => event.taskId);
  const read = isClosed(job.status) ? [...byTask] : [...byTask].filter(([, ofTask]) => mayHaveRow(ofTask));
  const rows = await ports.tasks.getMany(read.map(([taskId]) => taskId));
  const usdPerSecond = await ports.reporting.slotPrices(fleetsNamed(job), machinesOf(events, rows));
  const context = (): ReportContext => ({ now: ports.clock.now(), random: ports.random(), usdPerSecond });
  const batches = chunked([...byTask], MAX_TASKS_PER_COMMIT);
  const commits = await inParallel(batches, COMMITS_AT_ONCE, (batch) => commitBatch(job, batch, rows, context, ports));
  const applied = commits.flat();
  const sent = await sendAttempts(
    job,
    applied.flatMap(({ send }) => send ?? []),
    ports,
  );
  await reportProblem({ job, counters }, events, applied, ports);
  await lookWhetherDone(job, ports);
  return { applied, returned: applied.flatMap((task) => task.returned), sent };
}

/**
 * A first delivery of a first attempt is nearly always the first word on its task: it is written without a read, and the
 * write's condition catches the rest. Everything else is read first, so that one duplicate does not cancel ninety-nine.
 */
const mayHaveRow = (events: readonly Delivered<TaskReport>[]): boolean =>
  events.some(({ event, redelivered }) => redelivered || !isFirstWord(event));

const isFirstWord = (event: TaskReport): boolean =>
  'receiveCount' in event && event.attempt === 1 && event.receiveCount === 1;

/** The machines whose prices may be asked for: of the reports, and of leases that turn out to be lost. */
const machinesOf = (
  events: readonly Delivered<TaskReport>[],
  rows: ReadonlyMap<string, TaskRecord>,
): ReadonlySet<string> =>
  new Set([
    ...events.flatMap(({ event }) => ('instanceId' in event ? event.instanceId : [])),
    ...[...rows.values()].flatMap(({ instanceId }) => instanceId ?? []),
  ]);

async function commitBatch(
  job: Job,
  batch: readonly (readonly [string, readonly Delivered<TaskReport>[]])[],
  rows: ReadonlyMap<string, TaskRecord>,
  context: () => ReportContext,
  ports: ApplyPorts,
): Promise<FoldedTask[]> {
  const current = new Map(rows);
  let rules: JobRules = { retry: job.retry, cancelling: job.status === 'CANCELLING', closed: isClosed(job.status) };
  for (let round = 1; round <= MAX_ROUNDS; round += 1) {
    const folded = batch.map(([id, events]) => foldTask(id, events, current.get(id), rules, context));
    const writes = folded.flatMap((task) => (task.write ? [task.write] : []));
    // Nothing to change, nothing to contend for: all of it is known.
    if (writes.length === 0) return folded;
    const counts = folded.some((task) => task.counts);
    const delta = counts ? folded.reduce((sum, task) => addCounters(sum, deltaAt(job, task)), zeroCounters) : null;
    const outcome = await ports.tasks.commit(job.jobId, writes, delta);
    switch (outcome.kind) {
      case 'committed':
        return folded;
      case 'closed':
        rules = { ...rules, closed: true };
        break;
      case 'conflict':
        for (const row of outcome.current) current.set(row.taskId, row);
        break;
    }
  }
  throw new TransientError('the tasks are contended', { context: { jobId: job.jobId, tasks: batch.length } });
}

/** What the task's change counts, by its fleet too where its job has several. */
function deltaAt(job: Job, { taskId, delta }: FoldedTask): CounterDelta {
  const ended = delta.completed + delta.failed + delta.cancelled;
  const index = parseTaskId(taskId)?.index;
  const fleet = ended === 0 || index === undefined ? null : firstFleetOf(job, index);
  return fleet === null ? delta : { ...delta, endedByFleet: { [fleet]: ended } };
}

/** Sends recorded attempts: at once, or through the delayed queue when they are to wait. */
export async function sendAttempts(
  job: Job,
  attempts: readonly NextAttempt[],
  { queues, delayed, clock }: Pick<ApplyPorts, 'queues' | 'delayed' | 'clock'>,
): Promise<number> {
  const now = clock.now().getTime();
  const messages = attempts.flatMap(({ taskId, attempt, dueAt, checkpoint }) => {
    const position = parseTaskId(taskId);
    return position ? [{ message: laterAttempt(job, position.index, attempt, checkpoint), dueAt }] : [];
  });
  const waits = ({ dueAt }: { dueAt: string | null }): boolean => dueAt !== null && Date.parse(dueAt) > now;
  const due = messages.filter((each) => !waits(each)).map(({ message }) => message);
  const later = messages.flatMap(({ message, dueAt }) => (dueAt && waits({ dueAt }) ? [{ message, dueAt }] : []));
  if (later.length > 0) await delayed.send(later);
  await sendTasks(due, queues);
  return messages.length;
}

/** When a machine could not run a task, its job says why, and how often in a row. */
async function reportProblem(
  { job, counters }: JobProgress,
  events: readonly Delivered<TaskReport>[],
  applied: readonly FoldedTask[],
  { jobs, giveUpSeconds }: ApplyPorts,
): Promise<void> {
  const [first, ...more] = troublesIn(events);
  if (!first) return;
  const fresh = troublesIn(applied.flatMap((task) => (task.counts ? task.events : [])));
  const { completed, failed } = applied.reduce((sum, { delta }) => addCounters(sum, delta), counters);
  const problem = problemAfter(job.problem, [first, ...more], fresh, completed + failed, giveUpSeconds);
  await jobs.reportProblem(job.jobId, problem);
}

const troublesIn = (events: readonly Delivered<TaskReport>[]): MachineTrouble[] =>
  events.flatMap(({ event }) => (event.kind === 'released' && event.cause === 'machine' ? event : []));

/** By a consistent read, after every report: a crash after the last transition heals when that report comes again. */
async function lookWhetherDone({ jobId }: Job, ports: ApplyPorts): Promise<void> {
  const progress = await ports.jobs.progress(jobId);
  if (!progress || isClosed(progress.job.status)) return;
  const { job, counters } = progress;
  const touched = counters.running + counters.completed + counters.failed > 0;
  if (job.startedAt === null && touched) await ports.jobs.markRunning(jobId, ports.clock.now());
  if (job.taskToken && isSettled(job, counters)) await ports.machine.signal(job.taskToken, 'settled');
}
