import { describe, expect, it } from 'vitest';
import { NotFoundError, ValidationError } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import type { ApiKey } from '../../core/ports.ts';
import type { EndedAttempt, TaskRecord } from '../../core/task.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { at, START } from '../../test/factories/manual-clock.ts';
import { failureFactory, taskRecordFactory } from '../../test/factories/task-record.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { InMemoryTaskStore } from '../../test/fakes/in-memory-task-store.ts';
import { resultRoutes } from './results.ts';
import { taskRoutes } from './tasks.ts';

const JOB = jobIdFactory();
const caller: ApiKey = { keyId: 'key-1', name: 'laptop', createdAt: START };

function prepare(overrides: Partial<Job> = {}, rows: readonly TaskRecord[] = []) {
  const tables = new InMemoryTables();
  tables.jobs.set(JOB, { job: jobFactory({ status: 'RUNNING', ...overrides }), counters: countersFactory() });
  for (const row of rows) tables.tasks.set(row.taskId, row);
  const blobs = new InMemoryBlobStore();
  const tasks = new InMemoryTaskStore(tables);
  const ports = { jobs: new InMemoryJobStore(tables), tasks, blobs, links: blobs };
  const routes = { ...taskRoutes(ports), ...resultRoutes(ports) };
  const ask = async (route: string, params: Record<string, string>, query: Record<string, string> = {}) => {
    const found = routes[route];
    if (!found) throw new Error(`there is no route ${route}`);
    return found({ query, params, headers: {}, body: undefined }, caller);
  };
  return {
    blobs,
    tasks,
    page: async (query: Record<string, string> = {}, jobId = JOB) => {
      const { body } = await ask('GET /v1/jobs/{jobId}/tasks', { jobId }, query);
      const { tasks: list, cursor } = JSON.parse(JSON.stringify(body));
      return { tasks: list, cursor, indexes: list.map((task: { index: number }) => task.index) };
    },
    results: async (query: Record<string, string> = {}, jobId = JOB) => {
      const { body, headers } = await ask('GET /v1/jobs/{jobId}/results', { jobId }, query);
      const text = String(body);
      const lines = text.split('\n').filter(Boolean);
      return { text, lines: lines.map((line) => JSON.parse(line)), headers: headers ?? {} };
    },
    task: async (taskId: string) => {
      const { body } = await ask('GET /v1/tasks/{taskId}', { taskId });
      return JSON.parse(JSON.stringify(body));
    },
    writeKeys: (chunk: number, keys: readonly (string | undefined)[]) =>
      blobs.put(
        `jobs/${JOB}/inputs/${chunk}.jsonl`,
        keys.map((key) => `${JSON.stringify(key === undefined ? { input: 1 } : { key, input: 1 })}\n`).join(''),
        'application/x-ndjson',
      ),
  };
}

const ATTEMPT: EndedAttempt = {
  attempt: 1,
  leaseId: 'lease-1',
  instanceId: 'i-1',
  outcome: 'completed',
  charged: false,
  reason: null,
  exitCode: null,
  seconds: 5,
  endedAt: at(15),
};

const completed = (index: number, overrides: Partial<TaskRecord> = {}): TaskRecord =>
  taskRecordFactory({
    index,
    status: 'COMPLETED',
    finishedAt: at(15),
    result: { json: `{"n":${index}}` },
    attempts: [ATTEMPT],
    ...overrides,
  });

describe('GET /v1/jobs/{jobId}/tasks', () => {
  it('shows tasks without a row as PENDING, in order with the others', async () => {
    const { page } = prepare({ taskCount: 4 }, [taskRecordFactory({ index: 2 }), completed(0)]);

    const { tasks, cursor } = await page();

    expect(tasks.map(({ taskId, status, attempt }: TaskRecord) => [taskId, status, attempt])).toEqual([
      [taskIdFactory(0), 'COMPLETED', 1],
      [taskIdFactory(1), 'PENDING', 1],
      [taskIdFactory(2), 'RUNNING', 1],
      [taskIdFactory(3), 'PENDING', 1],
    ]);
    expect(cursor).toBeNull();
  });

  it('goes over the borders of chunks without losing or doubling a task', async () => {
    const rows = [998, 999, 1_000, 1_999, 2_000].map((index) => taskRecordFactory({ index }));
    const { page } = prepare({ taskCount: 2_002 }, rows);

    const seen: number[] = [];
    let cursor: string | null = '0';
    while (cursor !== null) {
      const next: { indexes: number[]; cursor: string | null } = await page({ limit: '400', cursor });
      seen.push(...next.indexes);
      cursor = next.cursor;
    }

    expect(seen).toEqual(Array.from({ length: 2_002 }, (_, index) => index));
  });

  it('shows one page that spans a border in order', async () => {
    const { page } = prepare({ taskCount: 1_500 }, [taskRecordFactory({ index: 1_000 })]);

    const { tasks, cursor } = await page({ cursor: '998', limit: '4' });

    expect(tasks.map(({ index, status }: TaskRecord) => [index, status])).toEqual([
      [998, 'PENDING'],
      [999, 'PENDING'],
      [1_000, 'RUNNING'],
      [1_001, 'PENDING'],
    ]);
    expect(cursor).toBe('1002');
  });

  it.each([
    ['PENDING', [1, 3]],
    ['RUNNING', [2]],
    ['COMPLETED', [0]],
    ['FAILED', [4]],
    ['CANCELLED', []],
  ])('shows those that are %s', async (status, indexes) => {
    const rows = [
      completed(0),
      taskRecordFactory({ index: 2 }),
      taskRecordFactory({ index: 4, status: 'FAILED', failure: failureFactory() }),
    ];
    const { page } = prepare({ taskCount: 5 }, rows);

    expect(await page({ status })).toMatchObject({ indexes, cursor: null });
  });

  it('goes on from its cursor with a filter, too', async () => {
    const rows = [0, 2, 4].map((index) => completed(index));
    const { page } = prepare({ taskCount: 6 }, rows);

    const first = await page({ status: 'COMPLETED', limit: '2' });
    const second = await page({ status: 'COMPLETED', limit: '2', cursor: first.cursor });

    expect([first.indexes, second.indexes, second.cursor]).toEqual([[0, 2], [4], null]);
  });

  it('pages through failed tasks by their own index', async () => {
    const rows = [1, 3, 5].map((index) => taskRecordFactory({ index, status: 'FAILED', failure: failureFactory() }));
    const { page } = prepare({ taskCount: 6 }, rows);

    const first = await page({ status: 'FAILED', limit: '2' });
    const second = await page({ status: 'FAILED', limit: '2', cursor: first.cursor });

    expect([first.indexes, second.indexes, second.cursor]).toEqual([[1, 3], [5], null]);
    expect(first.tasks[0].failure).toEqual(failureFactory());
  });

  it('reads no more than 20 chunks for a filter that matches nothing, and hands out a cursor', async () => {
    const { page, tasks } = prepare({ taskCount: 50_000 });
    let reads = 0;
    const listChunk = tasks.listChunk.bind(tasks);
    tasks.listChunk = async (...args) => {
      reads += 1;
      return listChunk(...args);
    };

    expect(await page({ status: 'COMPLETED' })).toMatchObject({ indexes: [], cursor: '20000' });
    expect(reads).toBe(20);
  });

  it('shows whatever did not end by itself as CANCELLED, once the job is closed', async () => {
    const { page } = prepare({ taskCount: 3, status: 'CANCELLED', finishedAt: at(60) }, [
      completed(0),
      taskRecordFactory({ index: 1 }),
    ]);

    const all = await page();
    const cancelled = await page({ status: 'CANCELLED' });

    expect(all.tasks.map(({ status, finishedAt }: TaskRecord) => [status, finishedAt])).toEqual([
      ['COMPLETED', at(15)],
      ['CANCELLED', at(60)],
      ['CANCELLED', at(60)],
    ]);
    expect(cancelled.indexes).toEqual([1, 2]);
    expect((await page({ status: 'RUNNING' })).indexes).toEqual([]);
  });

  it('shows the keys of those that have one', async () => {
    const { page, writeKeys } = prepare({ taskCount: 1_002, keyed: true });
    await writeKeys(
      0,
      Array.from({ length: 1_000 }, (_, index) => `k${index}`),
    );
    await writeKeys(1, [undefined, 'last']);

    const { tasks } = await page({ cursor: '999' });

    expect(tasks.map(({ key }: { key: string | null }) => key)).toEqual(['k999', null, 'last']);
  });

  it('reads no inputs for a job without keys', async () => {
    const { page, blobs } = prepare({ taskCount: 2 });
    blobs.get = async () => {
      throw new Error('not to be read');
    };

    expect((await page()).tasks[0].key).toBeNull();
  });

  it('shows a page beyond the end as empty', async () => {
    const { page } = prepare({ taskCount: 3 });

    expect(await page({ cursor: '9999999' })).toMatchObject({ indexes: [], cursor: null });
  });

  it('refuses what it does not understand, and knows only jobs that exist', async () => {
    const { page } = prepare();

    await expect(page({ cursor: '-1', limit: '1001', status: 'x' })).rejects.toThrow(ValidationError);
    await expect(page({}, jobIdFactory(9))).rejects.toThrow(NotFoundError);
  });
});

describe('GET /v1/jobs/{jobId}/results', () => {
  it('gives the results of tasks that ended, one JSON line each, in task order', async () => {
    const failed = taskRecordFactory({ index: 1, status: 'FAILED', failure: failureFactory() });
    const { results } = prepare({ taskCount: 5 }, [
      completed(4),
      failed,
      completed(0),
      taskRecordFactory({ index: 2 }),
    ]);

    const { lines, text, headers } = await results();

    expect(headers).toEqual({ 'content-type': 'application/x-ndjson' });
    expect(text.endsWith('\n')).toBe(true);
    expect(lines).toMatchObject([
      { taskId: taskIdFactory(0), index: 0, status: 'COMPLETED', result: { n: 0 }, seconds: 5, failure: null },
      { taskId: taskIdFactory(1), index: 1, status: 'FAILED', result: null, failure: failureFactory() },
      { taskId: taskIdFactory(4), index: 4, status: 'COMPLETED', result: { n: 4 } },
    ]);
  });

  it('names the keys of tasks, and links to the next page', async () => {
    const { results, writeKeys } = prepare({ taskCount: 3, keyed: true }, [completed(0), completed(1), completed(2)]);
    await writeKeys(0, ['a', 'b', 'c']);

    const first = await results({ limit: '2' });
    const second = await results({ limit: '2', cursor: '2' });

    expect(first.lines.map(({ key }) => key)).toEqual(['a', 'b']);
    expect(first.headers['link']).toBe(`</v1/jobs/${JOB}/results?limit=2&cursor=2>; rel="next"`);
    expect(second.lines.map(({ key }) => key)).toEqual(['c']);
    expect(second.headers).not.toHaveProperty('link');
  });

  it('gives results that lie in blobs by value, and those that are too large by reference', async () => {
    const { results, blobs } = prepare({ taskCount: 3 }, [
      completed(0, { result: { blob: 'small', bytes: 9 } }),
      completed(1, { result: { blob: 'large', bytes: 1_000_001 } }),
      completed(2, { result: { blob: 'gone', bytes: 9 } }),
    ]);
    await blobs.put('small', '{"n":"ü"}', 'application/json');

    const { lines } = await results();

    expect(lines.map(({ result, resultRef, resultUrl }) => [result, resultRef, resultUrl])).toEqual([
      [{ n: 'ü' }, undefined, undefined],
      [null, { blob: 'large', bytes: 1_000_001 }, await blobs.link('large')],
      [null, { blob: 'gone', bytes: 9 }, null],
    ]);
  });

  it.each([
    ['letters', 'x'.repeat(900_000)],
    // Lambda sends its answer as JSON in JSON: every quote becomes two characters.
    ['quotes', Array.from({ length: 333_000 }, () => '')],
  ])('fits what Lambda can answer, the rest on the next pages: %s (lesson 41)', async (_what, result) => {
    const json = JSON.stringify(result);
    const rows = Array.from({ length: 6 }, (_, index) =>
      completed(index, { result: { blob: 'b', bytes: json.length } }),
    );
    const { results, blobs } = prepare({ taskCount: 6 }, rows);
    await blobs.put('b', json, 'application/json');

    const seen: number[] = [];
    let cursor: string | undefined = '0';
    while (cursor !== undefined) {
      const next: Awaited<ReturnType<typeof results>> = await results({ cursor });
      expect(JSON.stringify({ body: next.text }).length).toBeLessThan(6_000_000);
      expect(next.lines.length).toBeGreaterThan(0);
      seen.push(...next.lines.map(({ index }) => index));
      cursor = /cursor=(\d+)>/.exec(next.headers['link'] ?? '')?.[1];
    }

    expect(seen).toEqual(rows.map(({ index }) => index));
  });

  it('shows a result that is no JSON as the text it is, and the others beside it', async () => {
    const { results, blobs } = prepare({ taskCount: 3 }, [
      completed(0, { result: { json: 'undefined' } }),
      completed(1, { result: { blob: 'broken', bytes: 5 } }),
      completed(2),
    ]);
    await blobs.put('broken', '{"n":', 'application/json');

    const { lines } = await results();

    expect(lines.map(({ result }) => result)).toEqual(['undefined', '{"n":', { n: 2 }]);
  });

  it('of a job of which nothing ended are none', async () => {
    const { results } = prepare();

    expect((await results()).text).toBe('');
    await expect(results({}, jobIdFactory(9))).rejects.toThrow(NotFoundError);
    await expect(results({ status: 'FAILED' })).rejects.toThrow(ValidationError);
  });
});

describe('GET /v1/tasks/{taskId}', () => {
  it('shows a task with its attempts and its result', async () => {
    const { task, writeKeys } = prepare({ keyed: true }, [completed(1)]);
    await writeKeys(0, ['a', 'b', 'c']);

    expect(await task(taskIdFactory(1))).toMatchObject({
      taskId: taskIdFactory(1),
      key: 'b',
      status: 'COMPLETED',
      result: { n: 1 },
      resultRef: null,
      resultUrl: null,
      attempts: [{ attempt: 1, outcome: 'completed' }],
    });
  });

  it('shows what befell it: lost leases, stale reports, costs, and from when and what it goes on', async () => {
    const lost = { ...ATTEMPT, outcome: 'lost' as const, costUsd: 0.25, reason: 'the machine is gone' };
    const released = { ...ATTEMPT, leaseId: 'lease-2', outcome: 'released' as const, costUsd: 0.5 };
    const staleReport = {
      kind: 'failed',
      attempt: 1,
      leaseId: 'lease-1',
      instanceId: 'i-1',
      at: at(30),
      reason: 'old',
    };
    const waiting: Partial<TaskRecord> = {
      status: 'PENDING',
      attempt: 2,
      unchargedAttempts: 2,
      dueAt: at(90),
      checkpoint: { blob: 'checkpoint-1', bytes: 3 },
      cancelRequested: true,
      attempts: [lost, released],
      staleReports: [staleReport],
    };
    const { task, page } = prepare({}, [taskRecordFactory(waiting)]);

    expect(await task(taskIdFactory(0))).toMatchObject({ ...waiting, chargedAttempts: 0, costUsd: 0.75 });
    expect((await page()).tasks[0]).toMatchObject({ status: 'PENDING', attempt: 2, dueAt: at(90) });
  });

  it('shows a task that nothing happened to', async () => {
    const { task } = prepare();

    expect(await task(taskIdFactory(2))).toMatchObject({ status: 'PENDING', attempt: 1, result: null, attempts: [] });
  });

  it('shows a result that Lambda could not answer with by reference', async () => {
    const bytes = 3_900_000;
    const { task, blobs } = prepare({}, [completed(0, { result: { blob: 'b', bytes } })]);
    await blobs.put('b', `[${'"",'.repeat(bytes / 3 - 1)}""]`, 'application/json');

    const shown = await task(taskIdFactory(0));

    expect(JSON.stringify({ body: JSON.stringify(shown) }).length).toBeLessThan(6_000_000);
    expect(shown).toMatchObject({ result: null, resultRef: { blob: 'b', bytes } });
    expect(shown.resultUrl).toMatch(/^data:/);
  });

  it.each([taskIdFactory(3), taskIdFactory(0, jobIdFactory(9)), 'nonsense'])('knows no task %s', async (taskId) => {
    const { task } = prepare({ taskCount: 3 });

    await expect(task(taskId)).rejects.toThrow(NotFoundError);
  });
});
