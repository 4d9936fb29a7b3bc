/**
 * What Shoal promises, checked throughout a run: after every change of the tables, at every start of a command, at every
 * launch and end of a machine, and once more when all is over. Nothing here asks the code under test for its opinion.
 */
import type { Counters } from '../../core/counters.ts';
import { isClosed, type Job } from '../../core/job.ts';
import { isHopeless } from '../../core/machine-trouble.ts';
import type { StatusEvent, TaskMessage } from '../../core/messages.ts';
import { firstFleetOf, fleetsInUse, hasLeft, type Placement } from '../../core/placement.ts';
import type { Lease } from '../../core/ports.ts';
import { MAX_UNCHARGED_ATTEMPTS } from '../../core/retry-policy.ts';
import { isTerminal, type TaskRecord } from '../../core/task.ts';
import { type Fate, type RunningCommand, resultOf } from './commands.ts';
import type { Machine } from './machines.ts';
import type { World } from './world.ts';

type CountedStatus = 'running' | 'completed' | 'failed' | 'cancelled';

const COUNTED: Readonly<Record<TaskRecord['status'], CountedStatus | null>> = {
  PENDING: null,
  RUNNING: 'running',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
};

export class Promises {
  readonly #world: World;
  readonly #ended = new Map<string, TaskRecord>();
  readonly #closed = new Map<string, { status: Job['status']; rows: readonly TaskRecord[] }>();
  /** Which attempt each lease was for. */
  readonly #attempts = new Map<string, number>();
  readonly #leases = new Map<string, string>();
  /** Which job and fleet each receipt handle speaks of. */
  readonly #messages = new Map<string, Pick<TaskMessage, 'jobId' | 'fleet'>>();
  readonly #left = new Map<string, number>();
  readonly #published = new Set<string>();
  /** Receipt handles of leases whose command was started. */
  readonly #started = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** After every effect on the tables. */
  checkTables(): void {
    const { tables } = this.#world;
    const rowsOf = Map.groupBy(tables.tasks.values(), (row) => row.jobId);
    for (const { job, counters } of tables.jobs.values()) {
      const rows = rowsOf.get(job.jobId) ?? [];
      this.#checkCounters(job, counters, rows);
      if (job.placement) this.#checkPlacement(job, job.placement, counters, rows);
      for (const row of rows) this.#checkRow(row, job);
      this.#checkClosed(job, rows);
      if (job.pausedFor !== null && job.status !== 'PAUSED')
        this.#broken(2, `is paused though ${job.status}`, job.jobId);
    }
  }

  /** 2: rows and counters change together. */
  #checkCounters({ jobId }: Job, counters: Counters, rows: readonly TaskRecord[]): void {
    const counted = { running: 0, completed: 0, failed: 0, cancelled: 0 };
    let seconds = 0;
    let usd = 0;
    for (const { status, attempts } of rows) {
      for (const { costUsd = 0 } of attempts) usd += costUsd;
      const name = COUNTED[status];
      if (name) counted[name] += 1;
      if (status === 'COMPLETED') seconds += attempts.at(-1)?.seconds ?? 0;
    }
    const differs = (Object.keys(counted) as CountedStatus[]).find((name) => counted[name] !== counters[name]); // its own keys
    if (differs) this.#broken(2, `counts ${counters[differs]} ${differs}, its rows say ${counted[differs]}`, jobId);
    if (Math.abs(seconds - counters.completedSeconds) > 0.001) {
      this.#broken(2, `counts ${counters.completedSeconds} s of work, its rows say ${seconds}`, jobId);
    }
    if (Math.abs(usd - counters.costUsd) > 1e-9) {
      this.#broken(2, `counts $${counters.costUsd}, its rows say $${usd}`, jobId);
    }
  }

  /** What has ended is counted by its first fleet too; fleets are left for good, and never the last one. */
  #checkPlacement(
    job: Job,
    { shares, left }: Placement,
    { endedByFleet = {} }: Counters,
    rows: readonly TaskRecord[],
  ): void {
    const ended = rows.filter(({ status }) => isTerminal(status)).map(({ index }) => firstFleetOf(job, index));
    const differs = shares.find(
      ({ fleet }) => ended.filter((each) => each === fleet).length !== (endedByFleet[fleet] ?? 0),
    );
    if (differs)
      this.#broken(2, `counts ${endedByFleet[differs.fleet]} ended on ${differs.fleet}, unlike its rows`, job.jobId);
    if (left.length < (this.#left.get(job.jobId) ?? 0))
      this.#broken(1, 'returned to a fleet that it had left', job.jobId);
    this.#left.set(job.jobId, left.length);
    if (fleetsInUse(job).length === 0) this.#broken(1, 'left its last fleet', job.jobId);
  }

  #checkRow(row: TaskRecord, { retry, taskCount }: Job): void {
    const { taskId, status, attempt, attempts, chargedAttempts: charged, unchargedAttempts: uncharged } = row;
    const before = this.#ended.get(taskId);
    // The store puts a new row in place of the old one with every write.
    if (before === row) return;
    if (before && !differAtMostInEvidence(before, row))
      this.#broken(2, `changed after it was ${before.status}`, taskId);
    if (isTerminal(status)) this.#ended.set(taskId, row);
    if (row.index >= taskCount) this.#broken(2, 'is none of its job', taskId);
    if (charged > retry.maxAttempts) this.#broken(2, `was charged ${charged} attempts of ${retry.maxAttempts}`, taskId);
    if (uncharged > MAX_UNCHARGED_ATTEMPTS) this.#broken(2, `had ${uncharged} uncharged attempts`, taskId);
    const setbacks = attempts.filter(({ outcome }) => outcome === 'failed' || outcome === 'released');
    if (setbacks.some((each, at) => each.attempt <= (setbacks[at - 1]?.attempt ?? 0))) {
      this.#broken(2, `counts an attempt twice: ${setbacks.map((each) => each.attempt).join(', ')}`, taskId);
    }
    const foreign = attempts.find((each) => this.#attempts.get(each.leaseId) !== each.attempt);
    if (foreign) this.#broken(2, `takes a report of another attempt for one of ${foreign.attempt}`, taskId);
    const ended = (kind: string): number => attempts.filter(({ outcome }) => outcome === kind).length;
    if (!isTerminal(status) && attempt !== 1 + setbacks.length) {
      this.#broken(2, `is at attempt ${attempt} after ${setbacks.length} that came to nothing`, taskId);
    }
    if (!isTerminal(status) && (charged !== ended('failed') || uncharged !== ended('released') + ended('lost'))) {
      this.#broken(2, `was charged ${charged} attempts and not charged ${uncharged}, unlike its history`, taskId);
    }
    if (status === 'COMPLETED') {
      const kept = row.result && 'json' in row.result ? row.result.json : null;
      if (kept !== resultOf(taskId, row.leaseId ?? '')) this.#broken(2, `keeps a result that is not its own`, taskId);
    }
  }

  /** 2: a closed job stays as it is, and so do its tasks. */
  #checkClosed({ jobId, status }: Job, rows: readonly TaskRecord[]): void {
    const before = this.#closed.get(jobId);
    if (!before) {
      if (isClosed(status)) this.#closed.set(jobId, { status, rows });
      return;
    }
    if (before.status !== status) this.#broken(2, `was ${before.status} and became ${status}`, jobId);
    const isSame =
      before.rows.length === rows.length && before.rows.every((row, at) => differAtMostInEvidence(row, rows[at]));
    if (!isSame) this.#broken(2, 'changed its tasks after it was closed', jobId);
  }

  onLeased({ leaseId, receiptHandle, message }: Lease): void {
    this.#attempts.set(leaseId, message.attempt);
    this.#leases.set(receiptHandle, leaseId);
    this.#messages.set(receiptHandle, message);
  }

  onPublished(events: readonly StatusEvent[]): void {
    for (const event of events) {
      if (event.kind !== 'instance' && event.kind !== 'started') this.#published.add(event.leaseId);
    }
  }

  /** 1: a message is acknowledged only when its outcome is published, or its job has left the fleet. */
  onAcknowledged(receiptHandle: string): void {
    const message = this.#messages.get(receiptHandle);
    const job = message && this.#world.tables.jobs.get(message.jobId)?.job;
    if (message && job && hasLeft(job, message.fleet) && !this.#started.has(receiptHandle)) return;
    const leaseId = this.#leases.get(receiptHandle) ?? receiptHandle;
    if (!this.#published.has(leaseId)) this.#broken(1, 'is acknowledged before its outcome is published', leaseId);
  }

  onStarted({ message, receiptHandle }: RunningCommand, fate: Fate): void {
    const { taskId, attempt, checkpointRef = null } = message;
    this.#started.add(receiptHandle);
    const row = this.#world.tables.tasks.get(taskId);
    const known = row?.attempt ?? 1;
    const left = row?.checkpoint?.blob ?? null;
    // A task that has ended needs it no more, though a late message of it may still be started.
    const isOpen = !row || !isTerminal(row.status);
    if (isOpen && attempt === known && checkpointRef !== left)
      this.#broken(1, `starts without what was left: ${left}`, taskId);
    if (attempt > known) this.#broken(2, `starts attempt ${attempt} before it is recorded`, taskId);
    const isOwn = taskId.endsWith(`-${fate.index}`) || this.#isRetry(message.jobId);
    if (!isOwn) this.#broken(2, `got the input of task ${fate.index}`, taskId);
  }

  /** Whose tasks have the inputs of others, and places of their own. */
  #isRetry(jobId: string): boolean {
    return (this.#world.tables.jobs.get(jobId)?.job.retryOf ?? null) !== null;
  }

  /** 1: what was started is released, so that its next attempt is known; it does not just go back. */
  onGivenBack(receiptHandle: string): void {
    if (this.#started.has(receiptHandle)) this.#broken(1, 'a started task is given back without a word', receiptHandle);
  }

  /** 5: never over the limit; and nothing is launched for nothing. */
  onLaunched(instanceId: string): void {
    const { fleets, cloud, tables } = this.#world;
    const name = cloud.simulated.get(instanceId)?.fleet;
    const most = fleets.find((fleet) => fleet.name === name)?.maxInstances ?? 0;
    const machines = [...cloud.simulated.values()].filter((each) => each.fleet === name);
    const running = machines.filter((each) => each.isRunning && !each.hasSaidGoodbye).length;
    if (running > most) this.#broken(5, `${running} machines run, ${most} may`, instanceId);
    const work = [...tables.jobs.values()].some(({ job }) => this.#world.wasOpenLately(job));
    if (!work) this.#broken(5, 'is launched for nothing', instanceId);
  }

  /** 4: the control plane ends no busy machine within its lifetime. */
  onTerminated({ id, isBusy, lifetimeEndsAtMs }: Machine): void {
    if (isBusy && this.#world.scheduler.nowMs < lifetimeEndsAtMs) this.#broken(4, 'is ended while it works', id);
  }

  /** 3: no machine outlives its lifetime. */
  checkLifetimes(): void {
    const now = this.#world.scheduler.nowMs;
    for (const machine of this.#world.cloud.simulated.values()) {
      if (machine.isRunning && now > machine.expiresAtMs) this.#broken(3, 'outlives its lifetime', machine.id);
    }
  }

  /** 1 and the rest, when everything has come to rest. */
  checkEnd(): void {
    const { tables, cloud, accepted, messagesLeft, scheduler } = this.#world;
    for (const jobId of accepted) if (!tables.jobs.has(jobId)) this.#broken(1, 'was accepted and is gone', jobId);
    for (const { job, counters } of tables.jobs.values()) {
      if (!isClosed(job.status)) {
        const open = [...tables.tasks.values()].find((row) => row.jobId === job.jobId && !isTerminal(row.status));
        this.#broken(1, `is ${job.status} for ever`, open?.taskId ?? job.jobId);
      } else this.#checkOutcome(job, counters, scheduler.nowMs);
    }
    for (const machine of cloud.simulated.values()) if (machine.isRunning) this.#broken(3, 'is left', machine.id);
    if (messagesLeft > 0) this.#broken(1, `${messagesLeft} messages are left`, 'queue');
  }

  /** The job ended as its tasks say. */
  #checkOutcome(job: Job, counters: Counters, nowMs: number): void {
    const { jobId, status, taskCount, allowedFailures, maxDurationSeconds, createdAt } = job;
    const { completed, failed, cancelled } = counters;
    const verdict = failed <= allowedFailures ? 'COMPLETED' : 'FAILED';
    const judged = completed + failed === 0 ? 'CANCELLED' : verdict;
    if (completed + failed + cancelled === taskCount) {
      const wasCancelled = cancelled > 0 && status === 'CANCELLED' && this.#world.cancelled.has(jobId);
      if (status !== judged && !wasCancelled) this.#broken(1, `is ${status}, its tasks say ${judged}`, jobId);
      return;
    }
    const finishedMs = job.finishedAt ? Date.parse(job.finishedAt) : nowMs;
    const hadItsTime = finishedMs - Date.parse(createdAt) >= maxDurationSeconds * 1_000;
    if (status === 'CANCELLED' && this.#world.cancelled.has(jobId)) return;
    // Every machine had trouble with it for long, and not one task of it ever ended.
    const wasGivenUp = completed + failed === 0 && isHopeless(job.problem, counters);
    if (status === 'FAILED' && (hadItsTime || wasGivenUp || this.#world.erred.has(jobId))) return;
    this.#broken(1, `is ${status} with ${completed + failed} of ${taskCount} tasks done`, jobId);
  }

  #broken(promise: number, what: string, about: string): void {
    this.#world.fail(`promise ${promise}: ${about} ${what}`, about);
  }
}

/** A report that comes too late is kept on the task; nothing else of it may change. */
function differAtMostInEvidence(one: TaskRecord, other: TaskRecord | undefined): boolean {
  if (one === other) return true;
  const told = (row: TaskRecord | undefined): string =>
    JSON.stringify({ ...row, staleReports: null, updatedAt: null, version: null });
  return told(one) === told(other);
}
