import { describe, expect, it } from 'vitest';
import type { Counters } from '../../core/counters.ts';
import { NotFoundError, ValidationError } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import type { ApiKey } from '../../core/ports.ts';
import type { EndedAttempt, TaskRecord } from '../../core/task.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { at, START } from '../../test/factories/manual-clock.ts';
import { failureFactory, taskRecordFactory } from '../../test/factories/task-record.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { InMemoryTaskStore } from '../../test/fakes/in-memory-task-store.ts';
import { auditRoutes, MAX_CHUNKS_READ } from './audit.ts';

const JOB = jobIdFactory();
const caller: ApiKey = { keyId: 'key-1', name: 'laptop', createdAt: START };

const ended = (outcome: EndedAttempt['outcome'], overrides: Partial<EndedAttempt> = {}): EndedAttempt => ({
  attempt: 1,
  leaseId: 'lease-1',
  instanceId: 'i-1',
  outcome,
  charged: false,
  reason: null,
  exitCode: null,
  seconds: 0.1,
  endedAt: at(15),
  costUsd: 0.2,
  ...overrides,
});
const completed = (index: number, overrides: Partial<TaskRecord> = {}): TaskRecord =>
  taskRecordFactory({
    index,
    status: 'COMPLETED',
    finishedAt: at(15),
    result: { json: '1' },
    attempts: [ended('completed')],
    ...overrides,
  });
const failed = (index: number): TaskRecord =>
  taskRecordFactory({ index, status: 'FAILED', finishedAt: at(15), failure: failureFactory() });

function prepare(rows: readonly TaskRecord[], counters: Partial<Counters>, overrides: Partial<Job> = {}) {
  const tables = new InMemoryTables();
  const job = jobFactory({ status: 'COMPLETED', taskCount: 3, ...overrides });
  tables.jobs.set(JOB, { job, counters: countersFactory(counters) });
  for (const row of rows) tables.tasks.set(row.taskId, row);
  const tasks = new InMemoryTaskStore(tables);
  const routes = auditRoutes({ jobs: new InMemoryJobStore(tables), tasks });
  const audit = async (query: Record<string, string> = {}, jobId = JOB) => {
    const route = routes['GET /v1/jobs/{jobId}/audit'];
    if (!route) throw new Error('there is no such route');
    const { body } = await route({ query, params: { jobId }, headers: {}, body: undefined }, caller);
    return JSON.parse(String(body));
  };
  const change = (next: Partial<Counters>): void => {
    tables.jobs.set(JOB, { job, counters: countersFactory(next) });
  };
  return { audit, tasks, change };
}

const THREE = { completed: 3, completedSeconds: 0.3, costUsd: 0.6 };

describe('GET /v1/jobs/{jobId}/audit', () => {
  it('finds counters and rows consistent, sums of fractions included', async () => {
    // Summed in another order, and exactly, as a decimal store does.
    const { audit } = prepare([completed(0), completed(1), completed(2)], THREE);

    const answer = await audit();

    expect(answer).toMatchObject({ jobId: JOB, consistent: true, inFlight: false, moved: false, differences: [] });
    expect(answer).toMatchObject({ counters: { completed: 3 }, rows: { completed: 3 }, cursor: null });
    expect(answer.chunks).toMatchObject([{ chunk: 0, rows: 3, completed: 3, running: 0, failed: 0, cancelled: 0 }]);
  });

  it('names every difference: a count too high, one too low, a sum that is off', async () => {
    const { audit } = prepare([completed(0), failed(1)], { completed: 2, completedSeconds: 0.1, costUsd: 0.5 });

    const { consistent, differences } = await audit();

    expect(consistent).toBe(false);
    expect(differences).toEqual([
      { of: 'completed', counters: 2, rows: 1 },
      { of: 'failed', counters: 0, rows: 1 },
      { of: 'costUsd', counters: 0.5, rows: 0.2 },
    ]);
  });

  it('tells seconds and dollars without the noise of their sums', async () => {
    const { audit } = prepare([completed(0), completed(1), completed(2)], {
      completed: 3,
      completedSeconds: 0.1 + 0.2,
    });

    const answer = await audit();

    expect(answer).toMatchObject({
      counters: { completedSeconds: 0.3 },
      rows: { costUsd: 0.6 },
      chunks: [{ costUsd: 0.6 }],
    });
    expect(answer.differences).toEqual([{ of: 'costUsd', counters: 0, rows: 0.6 }]);
  });

  it('tells any difference that it finds, however small', async () => {
    const { audit } = prepare([completed(0)], { completed: 1, completedSeconds: 0.1000012, costUsd: 0.2 });

    const { differences } = await audit();

    expect(differences).toEqual([{ of: 'completedSeconds', counters: 0.1000012, rows: 0.1 }]);
  });

  it('shows every stale report and every lost lease', async () => {
    const staleReport = {
      kind: 'completed',
      attempt: 1,
      leaseId: 'lease-0',
      instanceId: 'i-0',
      at: at(20),
      reason: 'the task is COMPLETED already',
    };
    const lost = ended('lost', { leaseId: 'lease-0', instanceId: 'i-0', seconds: 7, reason: 'the machine is gone' });
    const row = completed(0, { staleReports: [staleReport], attempts: [lost, ended('completed')] });
    const { audit } = prepare([row], { completed: 1, completedSeconds: 0.1, costUsd: 0.4 });

    const answer = await audit();

    expect(answer).toMatchObject({ consistent: true, staleReportsLeftOut: 0, lostLeasesLeftOut: 0, impossible: [] });
    expect(answer.staleReports).toEqual([{ taskId: taskIdFactory(), ...staleReport }]);
    expect(answer.lostLeases).toEqual([
      {
        taskId: taskIdFactory(),
        attempt: 1,
        leaseId: 'lease-0',
        instanceId: 'i-0',
        endedAt: at(15),
        lostSeconds: 7,
        lostUsd: 0.2,
        reason: 'the machine is gone',
      },
    ]);
  });

  it('names rows that contradict themselves', async () => {
    const twice = completed(0, { attempts: [ended('completed'), ended('completed', { leaseId: 'lease-2' })] });
    const { audit } = prepare([twice, completed(1, { result: null })], { completed: 2 });

    const { impossible } = await audit();

    expect(impossible).toEqual([
      { taskId: taskIdFactory(0), what: 'completed 2 times' },
      { taskId: taskIdFactory(1), what: 'is COMPLETED without a result' },
    ]);
  });

  it('of an open job says that reports may be on their way, and does not judge what moved meanwhile', async () => {
    const { audit, tasks, change } = prepare([taskRecordFactory()], { running: 1 }, { status: 'RUNNING' });
    const listChunk = tasks.listChunk.bind(tasks);
    tasks.listChunk = async (...range) => {
      const rows = await listChunk(...range);
      change({ completed: 1 });
      return rows;
    };

    const first = await audit();

    expect(first).toMatchObject({ inFlight: true, moved: true, consistent: null });
    expect(first.differences).toEqual([
      { of: 'running', counters: 0, rows: 1 },
      { of: 'completed', counters: 1, rows: 0 },
    ]);
  });

  it('counts so many chunks in one answer, and goes on where the cursor says', async () => {
    const taskCount = (MAX_CHUNKS_READ + 1) * 1_000;
    const rows = [failed(0), failed(1_500), failed(taskCount - 1)];
    const { audit } = prepare(rows, { failed: 3 }, { taskCount, status: 'FAILED' });

    const first = await audit();
    const second = await audit({ cursor: first.cursor });

    expect(first).toMatchObject({ consistent: null, rows: { failed: 2 }, differences: [] });
    expect(first.chunks).toHaveLength(MAX_CHUNKS_READ);
    expect(second).toMatchObject({ consistent: true, rows: { failed: 3 }, cursor: null });
    expect(second.chunks).toMatchObject([{ chunk: MAX_CHUNKS_READ, rows: 1, failed: 1 }]);
  });

  it.each([{ cursor: 'x' }, { cursor: Buffer.from('{"chunk":-1}').toString('base64url') }, { colour: 'blue' }])(
    'refuses the query %j',
    async (query) => {
      const { audit } = prepare([], {});

      await expect(audit({ ...query } as Record<string, string>)).rejects.toThrow(ValidationError);
    },
  );

  it.each(['nonsense', jobIdFactory(9)])('answers 404 for %s', async (jobId) => {
    const { audit } = prepare([], {});

    await expect(audit({}, jobId)).rejects.toThrow(NotFoundError);
  });
});
