import { zeroCounters } from '../../core/counters.ts';
import { NotFoundError } from '../../core/errors.ts';
import {
  isClosed,
  type Job,
  type JobProblem,
  type JobStatus,
  type JobSummary,
  type SweepMark,
} from '../../core/job.ts';
import type { JobOutcome } from '../../core/job-outcome.ts';
import type { MoveMark, Placement } from '../../core/placement.ts';
import type { IdempotencyRecord, JobAmendment, JobProgress, JobStore, Page } from '../../core/ports.ts';
import { copy } from './copy.ts';
import type { InMemoryTables } from './in-memory-tables.ts';

export class InMemoryJobStore implements JobStore {
  readonly #tables: InMemoryTables;

  constructor(tables: InMemoryTables) {
    this.#tables = tables;
  }

  async create(job: Job, idempotency: IdempotencyRecord | null): Promise<boolean> {
    if (this.#tables.jobs.has(job.jobId)) return false;
    const before = idempotency && this.#tables.idempotency.get(idempotency.id);
    if (before && before.expiresAt >= job.createdAt) return false;
    const root = job.rootJobId === null ? undefined : this.#tables.jobs.get(job.rootJobId);
    if (job.rootJobId !== null && !root) return false;
    this.#tables.jobs.set(job.jobId, { job: copy(job), counters: zeroCounters });
    if (root) root.job = { ...root.job, retries: [...root.job.retries, job.jobId].sort() };
    if (idempotency) this.#tables.idempotency.set(idempotency.id, copy(idempotency));
    return true;
  }

  async findIdempotency(id: string, now: Date): Promise<IdempotencyRecord | undefined> {
    const record = this.#tables.idempotency.get(id);
    return record && Date.parse(record.expiresAt) > now.getTime() ? copy(record) : undefined;
  }

  async progress(jobId: string): Promise<JobProgress | undefined> {
    return copy(this.#tables.jobs.get(jobId));
  }

  async list(query: { status?: JobStatus; limit: number; cursor?: string }): Promise<Page<JobSummary>> {
    const { status, limit, cursor } = query;
    const found = [...this.#tables.jobs.values()]
      .map(({ job }) => summaryOf(job))
      .filter((job) => (status === undefined || job.status === status) && (!cursor || job.jobId < cursor))
      .sort((a, b) => (a.jobId < b.jobId ? 1 : -1));
    const items = found.slice(0, limit);
    const last = items.at(-1);
    return found.length > limit && last ? { items, cursor: last.jobId } : { items };
  }

  async listOpen(): Promise<readonly string[]> {
    return [...this.#tables.jobs.values()].filter(({ job }) => !isClosed(job.status)).map(({ job }) => job.jobId);
  }

  async awaitCompletion(jobId: string, taskToken: string, awaits: Job['awaits'], at: Date): Promise<void> {
    this.#change(jobId, (job) => ({
      taskToken,
      awaits,
      status: job.status === 'PENDING' ? 'ENQUEUED' : job.status,
      enqueuedAt: job.enqueuedAt ?? at.toISOString(),
    }));
  }

  async place(jobId: string, placement: Placement): Promise<boolean> {
    return this.#change(jobId, (job) =>
      job.placement?.left.length === placement.left.length - 1 ? { placement: copy(placement) } : undefined,
    );
  }

  async markMoved(jobId: string, moved: MoveMark): Promise<void> {
    this.#change(jobId, () => ({ moved }));
  }

  async markSweep(jobId: string, sweep: SweepMark): Promise<void> {
    this.#change(jobId, () => ({ sweep }));
  }

  async markRunning(jobId: string, at: Date): Promise<void> {
    this.#change(jobId, ({ status, startedAt }) => ({
      status: status === 'PENDING' || status === 'ENQUEUED' ? 'RUNNING' : status,
      startedAt: startedAt ?? at.toISOString(),
    }));
  }

  async reportProblem(jobId: string, problem: JobProblem): Promise<void> {
    this.#change(jobId, () => ({ problem }));
  }

  async pause(jobId: string, pausedFor: NonNullable<Job['pausedFor']>, statusReason: string): Promise<boolean> {
    return this.#change(jobId, (job) =>
      ['PENDING', 'ENQUEUED', 'RUNNING'].includes(job.status)
        ? { status: 'PAUSED', pausedFor, statusReason }
        : undefined,
    );
  }

  async resume(jobId: string): Promise<boolean> {
    return this.#change(jobId, (job) =>
      job.status === 'PAUSED' ? { status: 'RUNNING', pausedFor: null, statusReason: null } : undefined,
    );
  }

  async amend(read: Pick<Job, 'jobId' | 'priority'>, settings: JobAmendment): Promise<boolean> {
    const had = settings.priority === undefined ? [] : [read.priority, settings.priority];
    return this.#change(read.jobId, ({ budgetUsd, maxInstances, priority, priorities }) => ({
      budgetUsd: settings.budgetUsd === undefined ? budgetUsd : settings.budgetUsd,
      maxInstances: settings.maxInstances === undefined ? maxInstances : settings.maxInstances,
      priority: settings.priority ?? priority,
      priorities: [...new Set([...priorities, ...had])],
    }));
  }

  async requestCancel(jobId: string): Promise<boolean> {
    if (!this.#tables.jobs.has(jobId)) throw new NotFoundError('no such job', { context: { jobId } });
    return this.#change(jobId, (job) =>
      job.status === 'CANCELLING' ? undefined : { status: 'CANCELLING', pausedFor: null, statusReason: null },
    );
  }

  async fence(jobId: string): Promise<void> {
    const row = this.#tables.jobs.get(jobId);
    if (row) row.fenced = true;
  }

  async close(jobId: string, outcome: JobOutcome, at: Date): Promise<boolean> {
    const { status, reason } = outcome;
    return this.#change(jobId, () => ({
      status,
      statusReason: reason,
      finishedAt: at.toISOString(),
      taskToken: null,
      pausedFor: null,
    }));
  }

  /** Whether the job was open and did change. */
  #change(jobId: string, change: (job: Job) => Partial<Job> | undefined): boolean {
    const row = this.#tables.jobs.get(jobId);
    if (!row || isClosed(row.job.status)) return false;
    const changed = change(row.job);
    if (changed) row.job = { ...row.job, ...changed };
    return changed !== undefined;
  }
}

const summaryOf = (job: Job): JobSummary => ({
  jobId: job.jobId,
  name: job.name,
  status: job.status,
  statusReason: job.statusReason,
  fleet: job.fleet,
  taskCount: job.taskCount,
  createdAt: job.createdAt,
  startedAt: job.startedAt,
  finishedAt: job.finishedAt,
  priority: job.priority,
});
