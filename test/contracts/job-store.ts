import { ulid } from 'ulid';
import { describe, expect, it } from 'vitest';
import { zeroCounters } from '../../core/counters.ts';
import { NotFoundError } from '../../core/errors.ts';
import { jobIdFromUlid } from '../../core/ids.ts';
import { type Job, type JobStatus, type JobSummary, prioritiesOf, type SweepMark } from '../../core/job.ts';
import { leaveFleet, type Placement } from '../../core/placement.ts';
import type { IdempotencyRecord, JobStore, TaskStore } from '../../core/ports.ts';
import { jobIdFactory } from '../factories/ids.ts';
import { jobFactory } from '../factories/job.ts';
import { at, START } from '../factories/manual-clock.ts';
import { taskRecordFactory } from '../factories/task-record.ts';

export interface JobStoreSetup {
  /** An empty store, and the task store beside it. */
  readonly jobs: JobStore;
  readonly tasks: TaskStore;
}

const recordFactory = (overrides: Partial<IdempotencyRecord> = {}): IdempotencyRecord => ({
  id: 'hash-of-caller-and-key',
  requestHash: 'hash-of-request',
  jobId: jobIdFactory(),
  answer: '{"jobId":"…"}',
  expiresAt: at(86_400),
  ...overrides,
});
const completed = { status: 'COMPLETED', reason: null } as const;

async function create(jobs: JobStore, overrides: Partial<Job> = {}): Promise<Job> {
  const job = jobFactory(overrides);
  await jobs.create(job, null);
  return job;
}

/** Every page of a list. */
async function listAll(jobs: JobStore, limit: number, status?: JobStatus): Promise<JobSummary[]> {
  const items: JobSummary[] = [];
  let cursor: string | undefined;
  do {
    const page = await jobs.list({ limit, ...(status ? { status } : {}), ...(cursor ? { cursor } : {}) });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    items.push(...page.items);
    cursor = page.cursor;
  } while (cursor);
  return items;
}

export function describeJobStoreContract(name: string, setup: () => Promise<JobStoreSetup>): void {
  describe(`JobStore: ${name}`, () => {
    describe('create', () => {
      it('keeps the job as it was given, its counters at zero', async () => {
        const { jobs } = await setup();
        const job = jobFactory({ code: { ...jobFactory().code, env: { A: '🐟', B: '' }, setup: 'npm ci' } });

        expect(await jobs.create(job, recordFactory())).toBe(true);

        expect(await jobs.progress(job.jobId)).toEqual({ job, counters: zeroCounters });
      });

      it('notes a retry by the first job of its chain, with the retry or not at all', async () => {
        const { jobs } = await setup();
        const root = await create(jobs);
        const retry = (sequence: number) =>
          jobFactory({ jobId: jobIdFactory(sequence), retryOf: root.jobId, rootJobId: root.jobId });

        await jobs.create(retry(3), recordFactory({ jobId: jobIdFactory(3) }));
        await jobs.create(retry(2), null);
        const refused = await jobs.create(retry(4), recordFactory({ jobId: jobIdFactory(4) }));

        expect(refused).toBe(false);
        expect((await jobs.progress(root.jobId))?.job.retries).toEqual([jobIdFactory(2), jobIdFactory(3)]);
        expect((await jobs.progress(jobIdFactory(2)))?.job).toEqual(retry(2));
        expect(await jobs.close(root.jobId, completed, new Date(at(1)))).toBe(true);
        expect((await jobs.progress(root.jobId))?.job.retries).toHaveLength(2);
      });

      it('refuses a second job for the same key, and writes nothing of it', async () => {
        const { jobs } = await setup();
        await jobs.create(jobFactory(), recordFactory());
        const second = jobFactory({ jobId: jobIdFactory(2) });

        const created = await jobs.create(second, recordFactory({ jobId: second.jobId }));

        expect(created).toBe(false);
        expect(await jobs.progress(second.jobId)).toBeUndefined();
        expect(await jobs.findIdempotency(recordFactory().id, new Date(START))).toEqual(recordFactory());
      });

      it('lets exactly one of many submissions with one key win', async () => {
        const { jobs } = await setup();
        const submissions = Array.from({ length: 8 }, (_, n) => jobFactory({ jobId: jobIdFactory(n) }));

        const created = await Promise.all(
          submissions.map((job) => jobs.create(job, recordFactory({ jobId: job.jobId }))),
        );

        expect(created.filter(Boolean)).toHaveLength(1);
        const winner = submissions[created.indexOf(true)]?.jobId;
        expect(await listAll(jobs, 10)).toMatchObject([{ jobId: winner }]);
        expect(await jobs.findIdempotency(recordFactory().id, new Date(START))).toMatchObject({ jobId: winner });
      });

      it('takes the key again when its record is past its time, deleted or not (lesson 45)', async () => {
        const { jobs } = await setup();
        await jobs.create(jobFactory(), recordFactory({ expiresAt: at(60) }));
        const later = jobFactory({ jobId: jobIdFactory(2), createdAt: at(61) });

        expect(await jobs.findIdempotency(recordFactory().id, new Date(at(61)))).toBeUndefined();
        expect(await jobs.create(later, recordFactory({ jobId: later.jobId }))).toBe(true);
      });
    });

    it('finds no record of a key that was never used', async () => {
      const { jobs } = await setup();

      expect(await jobs.findIdempotency('unknown', new Date(START))).toBeUndefined();
    });

    it('knows nothing of a job that was never created', async () => {
      const { jobs } = await setup();

      expect(await jobs.progress(jobIdFactory())).toBeUndefined();
    });

    describe('list', () => {
      it('goes through open and closed jobs, newest first, page by page', async () => {
        const { jobs } = await setup();
        const ids: string[] = [];
        for (let n = 0; n < 7; n += 1) {
          ids.push((await create(jobs, { jobId: jobIdFromUlid(ulid(Date.parse(at(n)))) })).jobId);
        }
        for (const jobId of [ids[1], ids[4], ids[5]]) await jobs.close(jobId ?? '', completed, new Date(at(60)));

        for (const limit of [1, 2, 3, 7, 100]) {
          expect((await listAll(jobs, limit)).map((job) => job.jobId)).toEqual(ids.toReversed());
        }
      });

      it('shows a summary', async () => {
        const { jobs } = await setup();
        const { jobId, name, fleet, taskCount, createdAt, priority } = await create(jobs);

        const { items } = await jobs.list({ limit: 10 });

        expect(items).toEqual([
          {
            jobId,
            name,
            status: 'PENDING',
            statusReason: null,
            fleet,
            taskCount,
            createdAt,
            startedAt: null,
            finishedAt: null,
            priority,
          },
        ]);
      });

      it('filters by status', async () => {
        const { jobs } = await setup();
        for (let n = 0; n < 6; n += 1) await create(jobs, { jobId: jobIdFactory(n) });
        for (const n of [0, 2, 4]) await jobs.close(jobIdFactory(n), completed, new Date(START));
        await jobs.close(jobIdFactory(5), { status: 'FAILED', reason: 'one task failed' }, new Date(START));

        const idsOf = async (status: JobStatus) => (await listAll(jobs, 2, status)).map((job) => job.jobId);

        expect(await idsOf('COMPLETED')).toEqual([4, 2, 0].map((n) => jobIdFactory(n)));
        expect(await idsOf('FAILED')).toEqual([jobIdFactory(5)]);
        expect(await idsOf('PENDING')).toEqual([3, 1].map((n) => jobIdFactory(n)));
        expect(await idsOf('RUNNING')).toEqual([]);
      });

      it('of nothing is empty, without a cursor', async () => {
        const { jobs } = await setup();

        expect(await jobs.list({ limit: 10 })).toEqual({ items: [] });
      });
    });

    it('lists exactly the open jobs', async () => {
      const { jobs } = await setup();
      for (let n = 0; n < 4; n += 1) await create(jobs, { jobId: jobIdFactory(n) });
      await jobs.close(jobIdFactory(1), completed, new Date(START));
      await jobs.requestCancel(jobIdFactory(2));

      expect([...(await jobs.listOpen())].sort()).toEqual([0, 2, 3].map((n) => jobIdFactory(n)));
    });

    describe('awaitCompletion', () => {
      it('stores the token and makes PENDING ENQUEUED', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);

        await jobs.awaitCompletion(jobId, 'token-1', 'completion', new Date(START));

        expect((await jobs.progress(jobId))?.job).toMatchObject({ status: 'ENQUEUED', taskToken: 'token-1' });
      });

      it('replaces the token of an earlier wait, and leaves a later status alone', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);
        await jobs.awaitCompletion(jobId, 'token-1', 'completion', new Date(START));
        await jobs.markRunning(jobId, new Date(START));

        await jobs.awaitCompletion(jobId, 'token-2', 'completion', new Date(START));

        expect((await jobs.progress(jobId))?.job).toMatchObject({ status: 'RUNNING', taskToken: 'token-2' });
      });

      it('says when the last task was put on the queue: the first time stays, whatever the status', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs, { jobId: jobIdFactory(1) });
        const early = await create(jobs, { jobId: jobIdFactory(2) });
        await jobs.markRunning(early.jobId, new Date(at(5)));
        const enqueuedAt = async (id: string) => (await jobs.progress(id))?.job.enqueuedAt;

        expect(await enqueuedAt(jobId)).toBeNull();
        for (const [n, id] of [jobId, early.jobId, jobId, early.jobId].entries()) {
          await jobs.awaitCompletion(id, `token-${n}`, 'completion', new Date(at(10 + n)));
        }

        expect(await enqueuedAt(jobId)).toBe(at(10));
        expect(await enqueuedAt(early.jobId)).toBe(at(11));
        expect((await jobs.progress(jobId))?.job).toMatchObject({ status: 'ENQUEUED', taskToken: 'token-2' });
        expect((await jobs.progress(early.jobId))?.job).toMatchObject({ status: 'RUNNING', taskToken: 'token-3' });
      });

      it('does nothing to a closed job, nor to one that does not exist (lesson 44)', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);
        await jobs.close(jobId, completed, new Date(START));

        await jobs.awaitCompletion(jobId, 'token-1', 'completion', new Date(START));
        await jobs.awaitCompletion(jobIdFactory(9), 'token-1', 'completion', new Date(START));

        expect((await jobs.progress(jobId))?.job).toMatchObject({ status: 'COMPLETED', taskToken: null });
        expect(await jobs.progress(jobIdFactory(9))).toBeUndefined();
      });
    });

    describe('markSweep', () => {
      const mark = (chunk: number): SweepMark => ({ quietAt: at(10), sentAt: null, chunk });

      it('remembers how far the sweep got', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);

        await jobs.markSweep(jobId, mark(1));
        await jobs.markSweep(jobId, mark(2));

        expect((await jobs.progress(jobId))?.job).toMatchObject({ status: 'PENDING', sweep: mark(2) });
      });

      it('does nothing to a closed job, nor to one that does not exist (lesson 44)', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);
        await jobs.close(jobId, completed, new Date(START));

        await jobs.markSweep(jobId, mark(1));
        await jobs.markSweep(jobIdFactory(9), mark(1));

        expect((await jobs.progress(jobId))?.job).toMatchObject({ status: 'COMPLETED', sweep: null });
        expect(await jobs.progress(jobIdFactory(9))).toBeUndefined();
      });
    });

    describe('place', () => {
      const shares = [
        { fleet: 'a', tasks: 2 },
        { fleet: 'b', tasks: 1 },
      ];
      const placement: Placement = { shares, left: [], reasons: ['by price'], at: START };
      const without = (before: Placement, fleet: string): Placement =>
        leaveFleet(before, { fleet, at: at(60), reason: 'gone', to: [{ fleet: 'b', tasks: 2 }] }, ['gone']);

      it('keeps the placement of a job over several fleets, which every list tells', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs, { fleet: ['a', 'b'], placement });

        expect((await jobs.progress(jobId))?.job).toMatchObject({ fleet: ['a', 'b'], placement, moved: null });
        expect((await listAll(jobs, 10))[0]?.fleet).toEqual(['a', 'b']);
      });

      it('writes that a fleet is left, once: who read the job before does not', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs, { fleet: ['a', 'b'], placement });

        const first = await jobs.place(jobId, without(placement, 'a'));
        const second = await jobs.place(jobId, without(placement, 'b'));

        expect([first, second]).toEqual([true, false]);
        expect((await jobs.progress(jobId))?.job.placement).toEqual(without(placement, 'a'));
      });

      it('remembers how far the tasks are moved', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs, { fleet: ['a', 'b'], placement });

        await jobs.markMoved(jobId, { done: 0, chunk: 3 });

        expect((await jobs.progress(jobId))?.job.moved).toEqual({ done: 0, chunk: 3 });
      });

      it('does nothing to a closed job, nor to one that is on one fleet', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs, { fleet: ['a', 'b'], placement });
        const alone = await create(jobs, { jobId: jobIdFactory(2) });
        await jobs.close(jobId, completed, new Date(START));

        expect(await jobs.place(jobId, without(placement, 'a'))).toBe(false);
        expect(await jobs.place(alone.jobId, without(placement, 'a'))).toBe(false);
        await jobs.markMoved(jobId, { done: 0, chunk: 3 });

        expect((await jobs.progress(jobId))?.job).toMatchObject({ placement, moved: null });
      });
    });

    describe('pause and resume', () => {
      it('make RUNNING PAUSED and back, with the reason in between', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);
        await jobs.markRunning(jobId, new Date(START));

        const paused = await jobs.pause(jobId, 'budget', 'spent');
        const during = (await jobs.progress(jobId))?.job;
        const resumed = await jobs.resume(jobId);

        expect({ paused, resumed }).toEqual({ paused: true, resumed: true });
        expect(during).toMatchObject({ status: 'PAUSED', pausedFor: 'budget', statusReason: 'spent' });
        expect((await jobs.progress(jobId))?.job).toMatchObject({
          status: 'RUNNING',
          pausedFor: null,
          statusReason: null,
        });
      });

      it('change nothing where there is nothing to pause or resume', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);

        expect(await jobs.resume(jobId)).toBe(false);
        await jobs.requestCancel(jobId);
        expect(await jobs.pause(jobId, 'request', 'too late')).toBe(false);
        expect(await jobs.pause(jobIdFactory(9), 'request', 'no such job')).toBe(false);
        expect(await jobs.progress(jobIdFactory(9))).toBeUndefined();
      });

      it('leave a paused job to be cancelled, or to end: it is paused for nothing then', async () => {
        const { jobs } = await setup();
        const [cancelled, ended] = [await create(jobs), await create(jobs, { jobId: jobIdFactory(2) })];
        for (const { jobId } of [cancelled, ended]) await jobs.pause(jobId, 'request', 'paused');

        expect(await jobs.requestCancel(cancelled.jobId)).toBe(true);
        expect(await jobs.close(ended.jobId, completed, new Date(START))).toBe(true);

        const paused = { pausedFor: null, statusReason: null };
        expect((await jobs.progress(cancelled.jobId))?.job).toMatchObject({ status: 'CANCELLING', ...paused });
        expect((await jobs.progress(ended.jobId))?.job).toMatchObject({ status: 'COMPLETED', ...paused });
      });
    });

    describe('amend', () => {
      it('remembers every priority that a job has had, whoever read it before', async () => {
        const { jobs } = await setup();
        const job = await create(jobs);
        const other = await create(jobs, { jobId: jobIdFactory(2), priority: 'low' });

        await jobs.amend(job, { priority: 'low' });
        await jobs.amend(job, { priority: 'high' });

        const after = (await jobs.progress(job.jobId))?.job;
        expect(after?.priority).toBe('high');
        expect(after && prioritiesOf(after)).toEqual(['high', 'normal', 'low']);
        expect(prioritiesOf((await jobs.progress(other.jobId))?.job ?? job)).toEqual(['low']);
      });

      it('changes what is named, null included, and nothing else', async () => {
        const { jobs } = await setup();
        const job = await create(jobs);
        const before = (await jobs.progress(job.jobId))?.job;

        expect(await jobs.amend(job, { budgetUsd: 5, maxInstances: null, priority: undefined })).toBe(true);
        expect(await jobs.amend(job, {})).toBe(true);

        expect((await jobs.progress(job.jobId))?.job).toEqual({ ...before, budgetUsd: 5, maxInstances: null });
      });

      it('does nothing to a closed job', async () => {
        const { jobs } = await setup();
        const job = await create(jobs);
        await jobs.close(job.jobId, completed, new Date(START));

        expect(await jobs.amend(job, { budgetUsd: 5 })).toBe(false);
        expect((await jobs.progress(job.jobId))?.job.budgetUsd).toBeNull();
      });
    });

    describe('markRunning', () => {
      it('makes ENQUEUED RUNNING, once: the first time stays', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);
        await jobs.awaitCompletion(jobId, 'token-1', 'completion', new Date(START));

        await jobs.markRunning(jobId, new Date(at(10)));
        await jobs.markRunning(jobId, new Date(at(20)));

        expect((await jobs.progress(jobId))?.job).toMatchObject({ status: 'RUNNING', startedAt: at(10) });
      });

      it('says of a job that was paused before it ran when it started, whether it is paused still', async () => {
        const { jobs } = await setup();
        const [paused, resumed] = [await create(jobs), await create(jobs, { jobId: jobIdFactory(2) })];
        for (const { jobId } of [paused, resumed]) await jobs.pause(jobId, 'request', 'paused');
        await jobs.resume(resumed.jobId);

        for (const { jobId } of [paused, resumed]) {
          await jobs.markRunning(jobId, new Date(at(10)));
          await jobs.markRunning(jobId, new Date(at(20)));
        }

        expect((await jobs.progress(paused.jobId))?.job).toMatchObject({ status: 'PAUSED', startedAt: at(10) });
        expect((await jobs.progress(resumed.jobId))?.job).toMatchObject({ status: 'RUNNING', startedAt: at(10) });
      });

      it('leaves a job that is being cancelled, is closed or does not exist as it is', async () => {
        const { jobs } = await setup();
        await create(jobs, { jobId: jobIdFactory(1) });
        await create(jobs, { jobId: jobIdFactory(2) });
        await jobs.requestCancel(jobIdFactory(1));
        await jobs.close(jobIdFactory(2), completed, new Date(START));

        for (const n of [1, 2, 3]) await jobs.markRunning(jobIdFactory(n), new Date(START));

        expect((await jobs.progress(jobIdFactory(1)))?.job.status).toBe('CANCELLING');
        expect((await jobs.progress(jobIdFactory(2)))?.job.status).toBe('COMPLETED');
        expect(await jobs.progress(jobIdFactory(3))).toBeUndefined();
      });
    });

    describe('requestCancel', () => {
      it('cancels an open job once', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);

        expect(await jobs.requestCancel(jobId)).toBe(true);
        expect(await jobs.requestCancel(jobId)).toBe(false);

        expect((await jobs.progress(jobId))?.job.status).toBe('CANCELLING');
      });

      it('leaves a closed job alone', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);
        await jobs.close(jobId, completed, new Date(START));

        expect(await jobs.requestCancel(jobId)).toBe(false);
        expect((await jobs.progress(jobId))?.job.status).toBe('COMPLETED');
      });

      it('says when there is no such job', async () => {
        const { jobs } = await setup();

        await expect(jobs.requestCancel(jobIdFactory())).rejects.toThrow(NotFoundError);
        expect(await jobs.progress(jobIdFactory())).toBeUndefined();
      });
    });

    describe('close', () => {
      it('writes outcome, reason and time', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);

        expect(await jobs.close(jobId, { status: 'FAILED', reason: 'one task failed' }, new Date(at(60)))).toBe(true);

        expect((await jobs.progress(jobId))?.job).toMatchObject({
          status: 'FAILED',
          statusReason: 'one task failed',
          finishedAt: at(60),
        });
        expect((await jobs.list({ limit: 1 })).items).toMatchObject([{ status: 'FAILED', finishedAt: at(60) }]);
      });

      it('succeeds once, however many try', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);

        const tries = await Promise.all(Array.from({ length: 4 }, () => jobs.close(jobId, completed, new Date(START))));
        const late = await jobs.close(jobId, { status: 'CANCELLED', reason: 'late' }, new Date(at(9)));

        expect(tries.filter(Boolean)).toHaveLength(1);
        expect(late).toBe(false);
        expect((await jobs.progress(jobId))?.job).toMatchObject({ status: 'COMPLETED', finishedAt: START });
      });
    });

    describe('fence', () => {
      it('may be repeated, and leaves the job open', async () => {
        const { jobs } = await setup();
        const { jobId } = await create(jobs);

        await Promise.all([jobs.fence(jobId, new Date(START)), jobs.fence(jobId, new Date(START))]);

        expect((await jobs.progress(jobId))?.job.status).toBe('PENDING');
        expect(await jobs.close(jobId, completed, new Date(START))).toBe(true);
      });

      it('is final for the counters: a task that reports meanwhile is in both or in neither', async () => {
        const { jobs, tasks } = await setup();
        const { jobId } = await create(jobs, { taskCount: 20 });
        const report = (index: number) =>
          tasks.commit(
            jobId,
            [{ task: taskRecordFactory({ jobId, index, status: 'COMPLETED' }), previousVersion: null }],
            { ...zeroCounters, completed: 1 },
          );

        const [outcomes] = await Promise.all([
          Promise.all(Array.from({ length: 20 }, (_, index) => report(index))),
          jobs.fence(jobId, new Date(START)),
        ]);

        const rows = await tasks.listChunk(jobId, 0, 0, 100);
        const committed = outcomes.filter((outcome) => outcome.kind === 'committed').length;
        expect(rows).toHaveLength(committed);
        expect((await jobs.progress(jobId))?.counters.completed).toBe(committed);
        expect((await report(20)).kind).toBe('closed');
      });
    });

    it('hands out copies: what a caller does to them stays with the caller', async () => {
      const { jobs } = await setup();
      const job = await create(jobs);
      const read = await jobs.progress(job.jobId);
      if (read) read.job.name = 'changed';
      job.name = 'changed too';

      expect((await jobs.progress(job.jobId))?.job.name).toBe('word count');
    });
  });
}
