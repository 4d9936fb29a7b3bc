import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ConflictError, NotFoundError, TransientError, ValidationError } from '../../core/errors.ts';
import { failureGroupId } from '../../core/failure-groups.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import type { Job } from '../../core/job.ts';
import { MAX_RETRIES_OF_A_JOB } from '../../core/job-retry.ts';
import type { ApiKey } from '../../core/ports.ts';
import type { Failure, TaskRecord } from '../../core/task.ts';
import { COMMIT, jobIdFactory, taskIdFactory, ulidOf } from '../../test/factories/ids.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { at, ManualClock, START } from '../../test/factories/manual-clock.ts';
import { failureFactory, taskRecordFactory } from '../../test/factories/task-record.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryCodeResolver } from '../../test/fakes/in-memory-code-resolver.ts';
import { InMemoryJobMachine } from '../../test/fakes/in-memory-job-machine.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryOfferSource } from '../../test/fakes/in-memory-offer-source.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { InMemoryTaskStore } from '../../test/fakes/in-memory-task-store.ts';
import { InMemoryWaker } from '../../test/fakes/in-memory-waker.ts';
import { logger } from '../telemetry.ts';
import type { SubmissionRules } from './check-submission.ts';
import { type RetryPorts, retryJob } from './retry-job.ts';
import { retryRoute } from './retry-route.ts';

const JOB = jobIdFactory();
const RETRY = jobIdFactory(101);
const FIXED = 'f'.repeat(40);

const resolver = new InMemoryCodeResolver({ 'https://github.com/acme/word-count': { main: COMMIT, fixed: FIXED } });
const rules: SubmissionRules = {
  fleets: fleetsOf(fleetsFileSchema.parse({ fleets: { default: { provider: 'aws' }, other: { provider: 'aws' } } })),
  repositoryHosts: ['github.com'],
  allowLocalRepositories: false,
  resolver,
};

const busy: Failure = failureFactory({ exitCode: 1, stderrTail: 'error: busy' });
const full: Failure = failureFactory({ exitCode: 2, stderrTail: 'error: disk full' });
const failed = (index: number, failure = busy): TaskRecord =>
  taskRecordFactory({ index, status: 'FAILED', failure, finishedAt: at(20) });
const completed = (index: number): TaskRecord =>
  taskRecordFactory({ index, status: 'COMPLETED', result: { json: '1' }, finishedAt: at(20) });

/** A job of 1,003 keyed tasks that has ended: two failed of one cause, one of another. */
async function prepare(overrides: Partial<Job> = {}, rows?: readonly TaskRecord[]) {
  const tables = new InMemoryTables();
  const blobs = new InMemoryBlobStore();
  const machine = new InMemoryJobMachine();
  const waker = new InMemoryWaker();
  let made = 100;
  const ulid = () => {
    made += 1;
    return ulidOf(made);
  };
  const job = jobFactory({ status: 'FAILED', taskCount: 1_003, keyed: true, finishedAt: at(60), ...overrides });
  const all = rows ?? [completed(0), failed(1), failed(999, full), failed(1_001)];
  const having = (wanted: TaskRecord['status']) => all.filter(({ status }) => status === wanted).length;
  const counters = countersFactory({ completed: having('COMPLETED'), failed: having('FAILED') });
  tables.jobs.set(job.jobId, { job, counters });
  for (const row of all) tables.tasks.set(row.taskId, row);
  for (const chunk of [0, 1]) {
    const size = Math.min(1_000, job.taskCount - chunk * 1_000);
    const lines = Array.from({ length: Math.max(0, size) }, (_, n) => {
      const index = chunk * 1_000 + n;
      return `${JSON.stringify({ key: `k-${index}`, input: { n: index } })}\n`;
    });
    if (lines.length)
      await blobs.put(`jobs/${job.jobId}/inputs/${chunk}.jsonl`, lines.join(''), 'application/x-ndjson');
  }
  const ports: RetryPorts = {
    jobs: new InMemoryJobStore(tables),
    tasks: new InMemoryTaskStore(tables),
    blobs,
    machine,
    waker,
    clock: new ManualClock(at(100)),
    ulid,
    offers: new InMemoryOfferSource([]),
    onNotEstimated: () => undefined,
  };
  const inputs = async (jobId: string) => {
    const text = Buffer.from((await blobs.get(`jobs/${jobId}/inputs/0.jsonl`)) ?? []).toString('utf8');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };
  const written = () => [tables.jobs.size, tables.idempotency.size, blobs.keys().length, machine.started.size];
  const retry = (document: unknown = {}, idempotencyKey?: string, jobId = JOB) =>
    retryJob({ jobId, document, keyId: 'key-1', idempotencyKey }, rules, ports);
  const faults = async (document: unknown) => {
    const error: unknown = await retry(document).catch((thrown: unknown) => thrown);
    if (!(error instanceof ValidationError)) throw error;
    return error.faults.map(({ path }) => path).sort();
  };
  return {
    tables,
    blobs,
    machine,
    waker,
    ports,
    inputs,
    written,
    retry,
    faults,
    stored: (id = RETRY) => tables.jobs.get(id)?.job,
  };
}

beforeAll(() => void vi.spyOn(logger, 'info').mockImplementation(() => undefined));
afterAll(() => void vi.restoreAllMocks());

describe('a retry', () => {
  it('of a job over several fleets is placed on all of them anew, those that it left too, or on others', async () => {
    const shares = [
      { fleet: 'default', tasks: 1_003 },
      { fleet: 'other', tasks: 0 },
    ];
    const left = [{ fleet: 'default', at: at(10), reason: 'gone', to: [{ fleet: 'other', tasks: 1_003 }] }];
    const placement = { shares, left, reasons: [], at: at(10) };
    const { retry, stored } = await prepare({ fleet: ['default', 'other'], placement, moved: { done: 1, chunk: 0 } });

    await retry();
    const { jobId } = await retry({ fleet: 'other' });

    expect(stored()).toMatchObject({ fleet: ['default', 'other'], placement: { left: [] }, moved: null });
    expect(stored()?.placement?.shares.map(({ tasks }) => tasks)).toEqual([2, 1]);
    expect(stored(jobId)).toMatchObject({ fleet: 'other', placement: null });
  });

  it('is a new job with the failed tasks, their keys and inputs, on the same commit (lesson 11)', async () => {
    const { retry, stored, inputs, machine, waker } = await prepare({ allowedFailures: 2, deadline: at(50) });

    const answer = await retry();

    expect(answer).toMatchObject({ jobId: RETRY, taskCount: 3, retryOf: JOB, links: { self: `/v1/jobs/${RETRY}` } });
    expect(stored()).toMatchObject({
      status: 'PENDING',
      name: 'word count',
      code: { ...jobFactory().code, ref: 'main', commit: COMMIT },
      taskCount: 3,
      keyed: true,
      retryOf: JOB,
      rootJobId: JOB,
      allowedFailures: 0,
      deadline: null,
      createdAt: at(100),
    });
    expect(await inputs(RETRY)).toEqual([1, 999, 1_001].map((n) => ({ key: `k-${n}`, input: { n } })));
    expect(stored(JOB)).toMatchObject({ status: 'FAILED', retries: [RETRY] });
    expect([...machine.started.keys()]).toEqual([RETRY]);
    expect(waker.wakes).toBe(1);
  });

  it('runs the tasks of one group, or those that are named', async () => {
    const { retry, inputs } = await prepare();

    await retry({ group: failureGroupId(busy) });
    await retry({ tasks: [taskIdFactory(1_001), taskIdFactory(999)] });

    expect((await inputs(RETRY)).map(({ key }) => key)).toEqual(['k-1', 'k-1001']);
    expect((await inputs(jobIdFactory(102))).map(({ key }) => key)).toEqual(['k-999', 'k-1001']);
  });

  it('runs on another ref, pinned to its commit, with what else is said anew', async () => {
    const { retry, stored } = await prepare();

    await retry({
      ref: 'fixed',
      name: 'again',
      timeoutSeconds: 900,
      resources: { vcpu: 1, memoryMiB: 1_024, diskGiB: 5 },
    });

    expect(stored()).toMatchObject({
      name: 'again',
      code: { ref: 'fixed', commit: FIXED },
      timeoutSeconds: 900,
      resources: { memoryMiB: 1_024 },
    });
  });

  it('asks nobody for the commit that it knows', async () => {
    const { ports } = await prepare();
    const unreachable = new InMemoryCodeResolver({});
    unreachable.unreachable = true;

    const answer = retryJob(
      { jobId: JOB, document: {}, keyId: 'key-1', idempotencyKey: undefined },
      { ...rules, resolver: unreachable },
      ports,
    );

    await expect(answer).resolves.toMatchObject({ taskCount: 3 });
  });

  it('takes cancelled tasks along when told to, those without a row too', async () => {
    const { retry, inputs } = await prepare({ status: 'CANCELLED', taskCount: 4 }, [completed(0), failed(1)]);

    await retry({ cancelled: true });

    expect((await inputs(RETRY)).map(({ key }) => key)).toEqual(['k-1', 'k-2', 'k-3']);
  });

  it('of an open job runs what has failed so far', async () => {
    const { retry } = await prepare({ status: 'RUNNING', finishedAt: null }, [
      failed(1),
      taskRecordFactory({ index: 2 }),
    ]);

    expect(await retry()).toMatchObject({ taskCount: 1 });
  });

  it('of a retry belongs to the same chain, and knows its tasks in the first job', async () => {
    const { retry, tables, ports, blobs } = await prepare();
    await retry();
    const row = tables.jobs.get(RETRY);
    if (!row) throw new Error('the retry is gone');
    row.job = { ...row.job, status: 'FAILED' };
    row.counters = countersFactory({ failed: 1, completed: 2 });
    const again = taskRecordFactory({ jobId: RETRY, index: 2, status: 'FAILED', failure: busy });
    tables.tasks.set(again.taskId, again);

    const { jobId } = await retry({}, undefined, RETRY);

    expect((await ports.jobs.progress(jobId))?.job).toMatchObject({ retryOf: RETRY, rootJobId: JOB, taskCount: 1 });
    expect((await ports.jobs.progress(JOB))?.job.retries).toEqual([RETRY, jobId]);
    expect(Buffer.from((await blobs.get(`jobs/${jobId}/inputs/origins.json`)) ?? []).toString()).toBe('[1001]');
  });

  it('asked for twice with one Idempotency-Key is one job; with another request the key is refused', async () => {
    const { retry, tables } = await prepare();

    const answers = [await retry({}, 'once'), await retry({}, 'once')];

    expect(answers[1]).toEqual(answers[0]);
    expect(tables.jobs.size).toBe(2);
    await expect(retry({ name: 'x' }, 'once')).rejects.toMatchObject({ status: 422 });
    await expect(retry({}, 'once', jobIdFactory(9))).rejects.toMatchObject({ status: 422 });
  });

  it('asked for twice without one runs the tasks twice', async () => {
    const { retry, stored } = await prepare();

    const ids = [(await retry()).jobId, (await retry()).jobId];

    expect(stored(JOB)?.retries).toEqual(ids);
  });
});

describe('a retry that is refused', () => {
  it('names every fault at once, and leaves nothing behind', async () => {
    const { faults, written } = await prepare();
    const untouched = written();

    const found = await faults({
      tasks: [taskIdFactory(1), taskIdFactory(1), taskIdFactory(0), taskIdFactory(5_000), 'x', taskIdFactory(2)],
      ref: 'nowhere',
      timeoutSeconds: 0,
      fleet: 'moon',
    });

    expect(found).toEqual(['fleet', 'ref', 'tasks[1]', 'tasks[2]', 'tasks[3]', 'tasks[4]', 'timeoutSeconds']);
    expect(written()).toEqual(untouched);
  });

  it.each<[string, unknown, readonly string[]]>([
    ['an unknown field', { colour: 'blue' }, ['colour']],
    ['a list', [], ['$']],
    ['a text', 'again', ['$']],
    ['nothing', null, ['$']],
    ['a group that is no id', { group: 'x' }, ['group']],
    ['a group that nothing is in', { group: '0123456789' }, ['group']],
    ['no tasks', { tasks: [] }, ['tasks']],
    ['tasks that are no texts', { tasks: [1, null] }, ['tasks[0]', 'tasks[1]']],
    ['more tasks than anybody names', { tasks: Array.from({ length: 10_001 }, () => taskIdFactory(1)) }, ['tasks']],
    ['group and tasks', { group: failureGroupId(busy), tasks: [taskIdFactory(1)] }, ['tasks']],
    ['a group and cancelled tasks', { group: failureGroupId(busy), cancelled: true }, ['cancelled']],
    ['cancelled tasks that are no matter of yes or no', { cancelled: 'yes' }, ['cancelled']],
    ['a ref that looks like an option', { ref: '--upload-pack=x' }, ['ref']],
    ['a ref of null', { ref: null }, ['ref']],
    [
      'settings that no job may have',
      { retry: null, maxInstances: 0, budgetUsd: -1 },
      ['budgetUsd', 'maxInstances', 'retry'],
    ],
    ['a deadline that is past', { deadline: START }, ['deadline']],
    ['code of its own', { code: { run: ['true'] } }, ['code']],
  ])('because it has %s', async (_what, document, paths) => {
    const { faults, written } = await prepare();
    const untouched = written();

    expect(await faults(document)).toEqual(paths);
    expect(written()).toEqual(untouched);
  });

  it('because nothing has failed', async () => {
    const { retry } = await prepare({ status: 'COMPLETED', taskCount: 1 }, [completed(0)]);

    await expect(retry()).rejects.toThrow(ConflictError);
    await expect(retry()).rejects.toThrow(/^none of its tasks has failed$/);
  });

  it('because its tasks were cancelled, and says how they run again', async () => {
    const { retry } = await prepare({ status: 'CANCELLED', taskCount: 4 }, [completed(0)]);

    await expect(retry()).rejects.toThrow(
      'none of its tasks has failed; {"cancelled": true} runs the 3 cancelled ones',
    );
  });

  it('because the list of failed tasks is behind what the job has counted: it may be asked for again', async () => {
    const { retry, tables } = await prepare();
    tables.tasks.delete(taskIdFactory(1));

    await expect(retry()).rejects.toThrow(TransientError);
  });

  it('because its inputs are kept no longer', async () => {
    const { retry, blobs } = await prepare();
    blobs.get = async () => undefined;

    await expect(retry()).rejects.toThrow(/inputs of this job are kept no longer/);
  });

  it('because it was retried too often', async () => {
    const retries = Array.from({ length: MAX_RETRIES_OF_A_JOB }, (_, n) => jobIdFactory(200 + n));
    const { retry } = await prepare({ retries });

    await expect(retry()).rejects.toThrow(/100 times/);
  });

  it('because there is no such job', async () => {
    const { retry } = await prepare();

    await expect(retry({}, undefined, jobIdFactory(9))).rejects.toThrow(NotFoundError);
  });

  it.each(['', 'with space', 'x'.repeat(256)])('because of the Idempotency-Key "%s"', async (key) => {
    const { retry } = await prepare();

    await expect(retry({}, key)).rejects.toMatchObject({ status: 400 });
  });
});

describe('POST /v1/jobs/{jobId}/retry', () => {
  const caller: ApiKey = { keyId: 'key-1', name: 'laptop', createdAt: START };
  const json = { 'content-type': 'application/json' };

  it('needs no body at all', async () => {
    const { ports } = await prepare();

    const answer = await retryRoute(rules, ports)(
      { params: { jobId: JOB }, query: {}, headers: {}, body: undefined },
      caller,
    );

    expect(answer).toMatchObject({ status: 202, body: { taskCount: 3 }, headers: { location: `/v1/jobs/${RETRY}` } });
  });

  it.each([
    ['is not JSON', '{', json, 400],
    ['is of another type', '{}', {}, 415],
    ['is too large', `"${'x'.repeat(1_000_000)}"`, json, 413],
  ])('refuses a body that %s', async (_what, body, headers, status) => {
    const { ports } = await prepare();

    const answer = retryRoute(rules, ports)(
      { params: { jobId: JOB }, query: {}, headers: { ...headers }, body },
      caller,
    );

    await expect(answer).rejects.toMatchObject({ status });
  });

  it('answers 404 for what is no id of a job', async () => {
    const { ports } = await prepare();

    const answer = retryRoute(rules, ports)(
      { params: { jobId: '../x' }, query: {}, headers: {}, body: undefined },
      caller,
    );

    await expect(answer).rejects.toThrow(NotFoundError);
  });
});
