import { describe, expect, it } from 'vitest';
import { NotFoundError, ValidationError } from '../../core/errors.ts';
import { failureGroupId } from '../../core/failure-groups.ts';
import type { Job } from '../../core/job.ts';
import type { ApiKey } from '../../core/ports.ts';
import type { Failure, TaskRecord } from '../../core/task.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { at, START } from '../../test/factories/manual-clock.ts';
import { failureFactory, taskRecordFactory } from '../../test/factories/task-record.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { InMemoryTaskStore } from '../../test/fakes/in-memory-task-store.ts';
import { failureRoutes, MAX_FAILURES_READ } from './failures.ts';

const JOB = jobIdFactory();
const caller: ApiKey = { keyId: 'key-1', name: 'laptop', createdAt: START };

const exit = (exitCode: number, stderrTail: string): Failure =>
  failureFactory({ exitCode, message: `exited with code ${exitCode}: ${stderrTail}`, stderrTail });
const failed = (index: number, failure: Failure): TaskRecord =>
  taskRecordFactory({ index, status: 'FAILED', failure, finishedAt: at(index) });

function prepare(rows: readonly TaskRecord[], overrides: Partial<Job> = {}) {
  const tables = new InMemoryTables();
  const job = jobFactory({ status: 'RUNNING', taskCount: 2_000, ...overrides });
  const count = rows.filter(({ status }) => status === 'FAILED').length;
  tables.jobs.set(JOB, { job, counters: countersFactory({ failed: count }) });
  for (const row of rows) tables.tasks.set(row.taskId, row);
  const blobs = new InMemoryBlobStore();
  const routes = failureRoutes({ jobs: new InMemoryJobStore(tables), tasks: new InMemoryTaskStore(tables), blobs });
  const failures = async (query: Record<string, string> = {}, jobId = JOB) => {
    const route = routes['GET /v1/jobs/{jobId}/failures'];
    if (!route) throw new Error('there is no such route');
    const { body } = await route({ query, params: { jobId }, headers: {}, body: undefined }, caller);
    return JSON.parse(JSON.stringify(body));
  };
  return { failures, blobs };
}

describe('GET /v1/jobs/{jobId}/failures', () => {
  it('tells 21 failures of 2,000 tasks as their two causes, with examples (lesson 11)', async () => {
    const rows = Array.from({ length: 21 }, (_, n) =>
      failed(n * 90, n % 3 === 0 ? exit(2, `no such file: /data/${n}.csv`) : exit(1, `ValueError: bad row ${n}`)),
    );
    const { failures } = prepare([...rows, taskRecordFactory({ index: 5, status: 'COMPLETED' })]);

    const { groups, ...rest } = await failures();

    expect(rest).toEqual({
      jobId: JOB,
      failed: 21,
      counted: 21,
      otherGroups: { groups: 0, tasks: 0 },
      truncated: false,
      cursor: null,
    });
    expect(groups).toHaveLength(2);
    expect(groups[0]).toMatchObject({
      count: 14,
      code: 'exit',
      exitCode: 1,
      pattern: 'ValueError: bad row <n>',
      message: 'exited with code 1: ValueError: bad row 1',
      firstAt: at(90),
      lastAt: at(20 * 90),
    });
    expect(groups[0].examples[0]).toEqual({ taskId: taskIdFactory(90), key: null });
    expect(groups[1]).toMatchObject({ count: 7, exitCode: 2, pattern: 'no such file: <path>' });
    expect(groups[1].links.tasks).toBe(`/v1/jobs/${JOB}/failures?group=${groups[1].group}`);
  });

  it("names examples by their users' keys", async () => {
    const { failures, blobs } = prepare([failed(1, exit(1, 'x'))], { keyed: true, taskCount: 2 });
    await blobs.put(`jobs/${JOB}/inputs/0.jsonl`, '{"key":"a","input":1}\n{"key":"b","input":2}\n', 'x');

    const { groups } = await failures();

    expect(groups[0].examples).toEqual([{ taskId: taskIdFactory(1), key: 'b' }]);
  });

  it('lists the tasks of one group, page by page', async () => {
    const failure = exit(1, 'ValueError: 1');
    const rows = [0, 1, 2, 3, 4].map((index) => failed(index, index === 2 ? exit(2, 'other') : failure));
    const { failures } = prepare(rows);
    const group = failureGroupId(failure);

    const first = await failures({ group, limit: '3' });
    const second = await failures({ group, limit: '3', cursor: first.cursor });

    expect(first).toMatchObject({ jobId: JOB, group, failed: 5, truncated: true });
    expect([first, second].map(({ tasks }) => tasks.map(({ index }: TaskRecord) => index))).toEqual([[0, 1, 3], [4]]);
    expect(first.tasks[0]).toMatchObject({ status: 'FAILED', failure: { code: 'exit', exitCode: 1 } });
    expect(second).toMatchObject({ truncated: false, cursor: null });
  });

  it('reads so many for one answer, and says that there are more', async () => {
    const rows = Array.from({ length: MAX_FAILURES_READ + 3 }, (_, index) => failed(index, exit(1, 'busy')));
    const { failures } = prepare(rows, { taskCount: 10_000 });

    const first = await failures();
    const second = await failures({ cursor: first.cursor });

    expect(first).toMatchObject({ counted: MAX_FAILURES_READ, truncated: true, cursor: String(MAX_FAILURES_READ) });
    expect(second).toMatchObject({ counted: 3, truncated: false, cursor: null, failed: MAX_FAILURES_READ + 3 });
    expect(second.groups[0].group).toBe(first.groups[0].group);
  });

  it('tells fifty causes and counts the others', async () => {
    const words = Array.from({ length: 52 }, (_, n) => 'x'.repeat(n + 1));
    const { failures } = prepare(words.map((word, index) => failed(index, exit(1, word))));

    const { groups, otherGroups } = await failures();

    expect(groups).toHaveLength(50);
    expect(otherGroups).toEqual({ groups: 2, tasks: 2 });
  });

  it('is empty where nothing failed', async () => {
    const { failures } = prepare([]);

    expect(await failures()).toMatchObject({ failed: 0, counted: 0, groups: [], cursor: null });
  });

  it('refuses a query with every fault of it', async () => {
    const { failures } = prepare([]);

    const error: unknown = await failures({ group: 'x', limit: '0', cursor: 'y', colour: 'blue' }).catch(
      (thrown: unknown) => thrown,
    );

    expect(error).toBeInstanceOf(ValidationError);
    expect(error instanceof ValidationError && error.faults.map(({ path }) => path).sort()).toEqual([
      'colour',
      'cursor',
      'group',
      'limit',
    ]);
  });

  it.each(['nonsense', jobIdFactory(9)])('answers 404 for %s', async (jobId) => {
    const { failures } = prepare([]);

    await expect(failures({}, jobId)).rejects.toThrow(NotFoundError);
  });
});
