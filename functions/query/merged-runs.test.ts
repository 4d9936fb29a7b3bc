import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../core/errors.ts';
import type { ApiKey } from '../../core/ports.ts';
import type { TaskRecord, TaskStatus } from '../../core/task.ts';
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

const ROOT = jobIdFactory(1);
const FIRST = jobIdFactory(2);
const SECOND = jobIdFactory(3);
const caller: ApiKey = { keyId: 'key-1', name: 'laptop', createdAt: START };

const task = (jobId: string, index: number, status: TaskStatus): TaskRecord =>
  taskRecordFactory({
    jobId,
    index,
    status,
    ...(status === 'RUNNING' ? {} : { finishedAt: at(30) }),
    ...(status === 'COMPLETED' ? { result: { json: JSON.stringify(`${jobId.at(-1)}:${index}`) } } : {}),
    ...(status === 'FAILED' ? { failure: failureFactory() } : {}),
  });

/** A job of six tasks and its retries: `origins` says which of its tasks each one runs, `rows` how far it got. */
async function prepare(
  root: readonly TaskStatus[],
  retries: readonly { jobId: string; origins: readonly number[]; rows: readonly TaskStatus[]; closed?: boolean }[],
) {
  const tables = new InMemoryTables();
  const blobs = new InMemoryBlobStore();
  const ids = retries.map(({ jobId }) => jobId);
  const add = (jobId: string, statuses: readonly TaskStatus[], overrides: Parameters<typeof jobFactory>[0]): void => {
    tables.jobs.set(jobId, { job: jobFactory({ jobId, ...overrides }), counters: countersFactory() });
    for (const [index, status] of statuses.entries()) {
      if (status !== 'PENDING') tables.tasks.set(taskIdFactory(index, jobId), task(jobId, index, status));
    }
  };
  add(ROOT, root, { status: 'FAILED', taskCount: root.length, keyed: true, retries: ids, finishedAt: at(60) });
  await blobs.put(`jobs/${ROOT}/inputs/0.jsonl`, root.map((_, n) => `{"key":"k-${n}","input":1}\n`).join(''), 'x');
  for (const { jobId, origins, rows, closed = true } of retries) {
    const status = closed ? 'COMPLETED' : 'RUNNING';
    add(jobId, rows, { status, taskCount: origins.length, rootJobId: ROOT, retryOf: ROOT, finishedAt: null });
    await blobs.put(`jobs/${jobId}/inputs/origins.json`, JSON.stringify(origins), 'application/json');
  }
  const ports = { jobs: new InMemoryJobStore(tables), tasks: new InMemoryTaskStore(tables), blobs, links: blobs };
  const routes = { ...resultRoutes(ports), ...taskRoutes(ports) };
  const ask = async (route: string, params: Record<string, string>, query: Record<string, string> = {}) => {
    const found = routes[route];
    if (!found) throw new Error('there is no such route');
    return found({ query, params, headers: {}, body: undefined }, caller);
  };
  const merged = async (query: Record<string, string> = {}, jobId = ROOT) => {
    const answer = await ask('GET /v1/jobs/{jobId}/results', { jobId }, { merged: 'true', ...query });
    const lines = String(answer.body).split('\n').filter(Boolean);
    return { lines: lines.map((line) => JSON.parse(line)), link: answer.headers?.['link'] };
  };
  return { merged, ask, blobs };
}

const C = 'COMPLETED';
const F = 'FAILED';

describe('GET /v1/jobs/{jobId}/results?merged=true', () => {
  it('fills in what retries completed, in the order and under the ids and keys of the first job', async () => {
    const { merged } = await prepare(
      [C, F, C, F, F, C],
      [
        { jobId: FIRST, origins: [1, 3, 4], rows: [C, F, C] },
        { jobId: SECOND, origins: [3], rows: [C] },
      ],
    );

    const { lines } = await merged();

    expect(
      lines.map(({ index, taskId, key, status, result, retriedAs }) => [index, taskId, key, status, result, retriedAs]),
    ).toEqual([
      [0, taskIdFactory(0), 'k-0', C, '1:0', null],
      [1, taskIdFactory(1), 'k-1', C, '2:0', taskIdFactory(0, FIRST)],
      [2, taskIdFactory(2), 'k-2', C, '1:2', null],
      [3, taskIdFactory(3), 'k-3', C, '3:0', taskIdFactory(0, SECOND)],
      [4, taskIdFactory(4), 'k-4', C, '2:2', taskIdFactory(2, FIRST)],
      [5, taskIdFactory(5), 'k-5', C, '1:5', null],
    ]);
  });

  it.each<[string, TaskStatus, TaskStatus, TaskStatus, string | null]>([
    ['the latest that completed', F, C, C, SECOND],
    ['one that completed, rather than a later that failed', F, C, F, FIRST],
    ['the latest that failed, as long as none completed', F, F, F, SECOND],
    ['the one before, while the retry still runs', F, F, 'RUNNING', FIRST],
    ['the one before, while the retry still waits', F, 'PENDING', 'PENDING', null],
    ['what failed, rather than what was cancelled then', F, 'CANCELLED', 'CANCELLED', null],
    ['what a retry completed of what was cancelled', 'CANCELLED', C, F, FIRST],
  ])('counts %s', async (_what, root, first, second, counted) => {
    const { merged } = await prepare(
      [root],
      [
        { jobId: FIRST, origins: [0], rows: [first], closed: false },
        { jobId: SECOND, origins: [0], rows: [second], closed: false },
      ],
    );

    const { lines } = await merged();

    expect(lines).toHaveLength(1);
    expect(lines[0].retriedAs).toBe(counted && taskIdFactory(0, counted));
  });

  it('asked of a retry is the same as of the first job, page by page', async () => {
    const { merged } = await prepare([C, F, C], [{ jobId: FIRST, origins: [1], rows: [C] }]);

    const first = await merged({ limit: '2' }, FIRST);
    const second = await merged({ limit: '2', cursor: '2' }, FIRST);

    expect([...first.lines, ...second.lines]).toEqual((await merged()).lines);
    expect(first.link).toBe(`</v1/jobs/${ROOT}/results?merged=true&limit=2&cursor=2>; rel="next"`);
    expect(second.link).toBeUndefined();
  });

  it('without it each job answers for itself', async () => {
    const { ask } = await prepare([C, F], [{ jobId: FIRST, origins: [1], rows: [C] }]);

    const { body } = await ask('GET /v1/jobs/{jobId}/results', { jobId: FIRST });

    expect(JSON.parse(String(body))).toMatchObject({ taskId: taskIdFactory(0, FIRST), index: 0, result: '2:0' });
    expect(String(body)).not.toContain('retriedAs');
  });

  it('does without a retry whose inputs are kept no longer', async () => {
    const { merged, blobs } = await prepare([F], [{ jobId: FIRST, origins: [0], rows: [C] }]);
    const get = blobs.get.bind(blobs);
    blobs.get = async (key, range) => (key.endsWith('origins.json') ? undefined : get(key, range));

    expect((await merged()).lines).toMatchObject([{ status: F, retriedAs: null }]);
  });

  it('is a matter of true or false', async () => {
    const { merged } = await prepare([C], []);

    await expect(merged({ merged: 'yes' })).rejects.toThrow(ValidationError);
  });
});

describe('a task of a retry', () => {
  it('says which task of the first job it is', async () => {
    const { ask } = await prepare([C, F, F], [{ jobId: FIRST, origins: [1, 2], rows: [C] }]);
    const retryOf = async (taskId: string) => {
      const { body } = await ask('GET /v1/tasks/{taskId}', { taskId });
      return JSON.parse(JSON.stringify(body)).retryOf;
    };

    expect(await retryOf(taskIdFactory(1, FIRST))).toBe(taskIdFactory(2));
    expect(await retryOf(taskIdFactory(1))).toBeNull();
  });
});
