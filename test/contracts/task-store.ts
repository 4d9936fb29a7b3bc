import { describe, expect, it } from 'vitest';
import { type CounterDelta, zeroCounters } from '../../core/counters.ts';
import { CHUNK_SIZE } from '../../core/ids.ts';
import type { Job } from '../../core/job.ts';
import { type JobStore, MAX_TASKS_PER_COMMIT, type TaskStore, type TaskWrite } from '../../core/ports.ts';
import type { TaskRecord } from '../../core/task.ts';
import { jobIdFactory, taskIdFactory } from '../factories/ids.ts';
import { jobFactory } from '../factories/job.ts';
import { at, START } from '../factories/manual-clock.ts';
import { failureFactory, staleReportFactory, taskRecordFactory } from '../factories/task-record.ts';

export interface TaskStoreSetup {
  /** An empty store, and the job store beside it. */
  readonly tasks: TaskStore;
  readonly jobs: JobStore;
}

const delta = (change: Partial<CounterDelta>): CounterDelta => ({ ...zeroCounters, ...change });
const first = (overrides: Partial<TaskRecord> = {}): TaskWrite => ({
  task: taskRecordFactory(overrides),
  previousVersion: null,
});
const indexesOf = (tasks: readonly TaskRecord[]): number[] => tasks.map((task) => task.index);

export function describeTaskStoreContract(name: string, setup: () => Promise<TaskStoreSetup>): void {
  /** A store with one open job in it. */
  async function prepare(overrides: Partial<Job> = {}) {
    const { tasks, jobs } = await setup();
    const job = jobFactory({ taskCount: 5_000, ...overrides });
    await jobs.create(job, null);
    const { jobId } = job;
    const counters = async () => (await jobs.progress(jobId))?.counters;
    return { tasks, jobs, jobId, counters };
  }

  describe(`TaskStore: ${name}`, () => {
    describe('commit', () => {
      it('writes rows and counters together', async () => {
        const { tasks, jobId, counters } = await prepare();

        const outcome = await tasks.commit(jobId, [first(), first({ index: 1 })], delta({ running: 2 }));

        expect(outcome).toEqual({ kind: 'committed' });
        expect(await counters()).toEqual({ ...zeroCounters, running: 2 });
        expect(await tasks.getMany([taskIdFactory(0)])).toEqual(new Map([[taskIdFactory(0), taskRecordFactory()]]));
      });

      it('counts what ended by its first fleet too, in the same write', async () => {
        const { tasks, jobId, counters } = await prepare();
        const by = (endedByFleet: Record<string, number>) => delta({ completed: 1, endedByFleet });

        await tasks.commit(jobId, [first()], by({ 'aws-spot': 1 }));
        await tasks.commit(jobId, [first({ index: 1 })], by({ 'gcp-spot': 1 }));
        await tasks.commit(jobId, [first({ index: 8 })], by({ 'aws-spot': 1 }));

        expect(await counters()).toEqual({
          ...zeroCounters,
          completed: 3,
          endedByFleet: { 'aws-spot': 2, 'gcp-spot': 1 },
        });
      });

      it('keeps a row with everything in it as it was given', async () => {
        const { tasks, jobId } = await prepare();
        const full = taskRecordFactory({
          index: 7,
          status: 'FAILED',
          attempt: 4,
          chargedAttempts: 3,
          unchargedAttempts: 1,
          causedByLeaseId: 'lease-0',
          finishedAt: at(20),
          result: { blob: 'jobs/x', bytes: 9_000 },
          failure: failureFactory({ message: '🐟\ud83d\ude00', stderrTail: '' }),
          attempts: [
            {
              attempt: 1,
              leaseId: 'lease-0',
              instanceId: 'i-0',
              outcome: 'released',
              charged: false,
              reason: null,
              exitCode: null,
              seconds: 0.25,
              endedAt: at(1),
            },
          ],
          receiptHandle: 'handle',
          lostLeases: 3,
          dueAt: at(90),
          checkpoint: { blob: 'checkpoints/1', bytes: 0 },
          cancelRequested: true,
          staleReports: [staleReportFactory({ reason: '🐟' })],
          updatedAt: at(30),
          version: 9,
        });

        await tasks.commit(jobId, [{ task: full, previousVersion: null }], delta({ failed: 1 }));

        expect((await tasks.getMany([full.taskId])).get(full.taskId)).toEqual(full);
      });

      it('writes over the version that was read', async () => {
        const { tasks, jobId, counters } = await prepare();
        await tasks.commit(jobId, [first()], delta({ running: 1 }));
        const next = taskRecordFactory({ status: 'COMPLETED', version: 2, result: { json: '6' } });

        const outcome = await tasks.commit(
          jobId,
          [{ task: next, previousVersion: 1 }],
          delta({ running: -1, completed: 1, completedSeconds: 2.5 }),
        );

        expect(outcome).toEqual({ kind: 'committed' });
        expect((await tasks.getMany([next.taskId])).get(next.taskId)).toEqual(next);
        expect(await counters()).toEqual({ ...zeroCounters, completed: 1, completedSeconds: 2.5 });
      });

      it('forgets what the new row no longer says', async () => {
        const { tasks, jobId } = await prepare();
        await tasks.commit(jobId, [first()], delta({ running: 1 }));
        const waiting = taskRecordFactory({
          status: 'PENDING',
          attempt: 2,
          leaseId: null,
          instanceId: null,
          startedAt: null,
          receiveCount: 0,
          version: 2,
        });

        await tasks.commit(jobId, [{ task: waiting, previousVersion: 1 }], delta({ running: -1 }));

        expect((await tasks.getMany([waiting.taskId])).get(waiting.taskId)).toEqual(waiting);
      });

      it.each([
        ['a row that is there although none was read', 2, null],
        ['a row at another version than was read', 5, 4],
      ])(
        'meets %s: nothing is written, and the row in the way is returned',
        async (_what, version, previousVersion) => {
          const { tasks, jobId, counters } = await prepare();
          const inTheWay = taskRecordFactory({ index: 1, version, leaseId: 'lease-other' });
          await tasks.commit(jobId, [{ task: inTheWay, previousVersion: null }], delta({ running: 1 }));

          const outcome = await tasks.commit(
            jobId,
            [first(), { task: taskRecordFactory({ index: 1, version: 6 }), previousVersion }, first({ index: 2 })],
            delta({ running: 3 }),
          );

          expect(outcome).toEqual({ kind: 'conflict', current: [inTheWay] });
          expect(await tasks.listChunk(jobId, 0, 0, 10)).toEqual([inTheWay]);
          expect(await counters()).toEqual({ ...zeroCounters, running: 1 });
        },
      );

      it('meets a row that is gone: nothing is written, and there is no row to return', async () => {
        const { tasks, jobId, counters } = await prepare();

        const outcome = await tasks.commit(
          jobId,
          [first({ index: 1 }), { task: taskRecordFactory({ version: 2 }), previousVersion: 1 }],
          delta({ completed: 1 }),
        );

        expect(outcome).toEqual({ kind: 'conflict', current: [] });
        expect(await tasks.listChunk(jobId, 0, 0, 10)).toEqual([]);
        expect(await counters()).toEqual(zeroCounters);
      });

      it(`writes ${MAX_TASKS_PER_COMMIT} rows at once, across chunks`, async () => {
        const { tasks, jobId, counters } = await prepare();
        const writes = Array.from({ length: MAX_TASKS_PER_COMMIT }, (_, n) => first({ index: n * 50 }));

        const outcome = await tasks.commit(jobId, writes, delta({ running: writes.length }));

        expect(outcome).toEqual({ kind: 'committed' });
        expect((await tasks.getMany(writes.map((write) => write.task.taskId))).size).toBe(writes.length);
        expect(await counters()).toEqual({ ...zeroCounters, running: writes.length });
      });

      it('refuses more rows than one transaction takes', async () => {
        const { tasks, jobId } = await prepare();
        const writes = Array.from({ length: MAX_TASKS_PER_COMMIT + 1 }, (_, index) => first({ index }));

        await expect(tasks.commit(jobId, writes, zeroCounters)).rejects.toThrow();
        expect(await tasks.listChunk(jobId, 0, 0, 200)).toEqual([]);
      });

      it('writes a row whose status, and so whose counter, does not change', async () => {
        const { tasks, jobId, counters } = await prepare();
        await tasks.commit(jobId, [first()], delta({ running: 1 }));

        const moved = taskRecordFactory({ leaseId: 'lease-2', version: 2 });
        const outcome = await tasks.commit(jobId, [{ task: moved, previousVersion: 1 }], zeroCounters);

        expect(outcome).toEqual({ kind: 'committed' });
        expect(await counters()).toEqual({ ...zeroCounters, running: 1 });
      });

      it.each([
        ['that changes counters', delta({ completed: 1 })],
        ['that changes none', zeroCounters],
      ])('%s does nothing once the job is fenced', async (_what, change) => {
        const { tasks, jobs, jobId, counters } = await prepare();
        await tasks.commit(jobId, [first()], delta({ running: 1 }));
        await jobs.fence(jobId, new Date(START));
        const late = taskRecordFactory({ status: 'COMPLETED', version: 2 });

        // Every shard of the counter must be fenced, so tasks of every index are tried.
        const outcomes = [await tasks.commit(jobId, [{ task: late, previousVersion: 1 }], change)];
        for (let index = 1; index <= 16; index += 1)
          outcomes.push(await tasks.commit(jobId, [first({ index })], change));

        expect(new Set(outcomes.map((outcome) => outcome.kind))).toEqual(new Set(['closed']));
        expect(await tasks.listChunk(jobId, 0, 0, 100)).toEqual([taskRecordFactory()]);
        expect(await counters()).toEqual({ ...zeroCounters, running: 1 });
      });

      it('writes evidence, which changes no counter, although the job is fenced', async () => {
        const { tasks, jobs, jobId, counters } = await prepare();
        await tasks.commit(jobId, [first({ status: 'COMPLETED' })], delta({ completed: 1 }));
        await jobs.fence(jobId, new Date(START));
        const evidence = staleReportFactory();
        const row = taskRecordFactory({ status: 'COMPLETED', staleReports: [evidence], version: 2 });

        const outcome = await tasks.commit(jobId, [{ task: row, previousVersion: 1 }], null);
        const again = await tasks.commit(jobId, [{ task: row, previousVersion: 1 }], null);

        expect(outcome).toEqual({ kind: 'committed' });
        expect(again).toEqual({ kind: 'conflict', current: [row] });
        expect((await tasks.getMany([row.taskId])).get(row.taskId)).toEqual(row);
        expect(await counters()).toEqual({ ...zeroCounters, completed: 1 });
      });

      it('lets exactly one of two concurrent writers of one task win', async () => {
        const { tasks, jobId, counters } = await prepare();
        await tasks.commit(jobId, [first()], delta({ running: 1 }));
        const write = (leaseId: string) =>
          tasks.commit(
            jobId,
            [{ task: taskRecordFactory({ status: 'COMPLETED', version: 2, leaseId }), previousVersion: 1 }],
            delta({ running: -1, completed: 1 }),
          );

        const outcomes = await Promise.all(['a', 'b', 'c', 'd'].map(write));

        expect(outcomes.filter((outcome) => outcome.kind === 'committed')).toHaveLength(1);
        expect(outcomes.filter((outcome) => outcome.kind === 'conflict')).toHaveLength(3);
        expect(await counters()).toEqual({ ...zeroCounters, completed: 1 });
      });

      it('loses no count among many concurrent writers of different tasks', async () => {
        const { tasks, jobId, counters } = await prepare();

        const outcomes = await Promise.all(
          Array.from({ length: 24 }, (_, index) =>
            tasks.commit(
              jobId,
              [first({ index, status: 'COMPLETED' })],
              delta({ completed: 1, completedSeconds: 0.5 }),
            ),
          ),
        );

        expect(outcomes.every((outcome) => outcome.kind === 'committed')).toBe(true);
        expect(await counters()).toEqual({ ...zeroCounters, completed: 24, completedSeconds: 12 });
      });
    });

    describe('getMany', () => {
      it('leaves out tasks without a row, and takes the same id twice', async () => {
        const { tasks, jobId } = await prepare();
        await tasks.commit(jobId, [first()], delta({ running: 1 }));

        const found = await tasks.getMany([taskIdFactory(0), taskIdFactory(1), taskIdFactory(0)]);

        expect([...found.keys()]).toEqual([taskIdFactory(0)]);
      });

      it('reads 250 rows in one call', async () => {
        const { tasks, jobId } = await prepare();
        for (let start = 0; start < 250; start += 50) {
          const writes = Array.from({ length: 50 }, (_, n) => first({ index: start + n }));
          await tasks.commit(jobId, writes, delta({ running: 50 }));
        }

        const ids = Array.from({ length: 250 }, (_, index) => taskIdFactory(index));

        expect([...(await tasks.getMany(ids)).keys()].sort()).toEqual(ids.sort());
      });

      it('of nothing is nothing', async () => {
        const { tasks } = await prepare();

        expect(await tasks.getMany([])).toEqual(new Map());
      });
    });

    it('lists the rows of one chunk in order, from an index on, so many at most', async () => {
      const { tasks, jobId } = await prepare();
      const indexes = [2, 10, 9, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1];
      await tasks.commit(
        jobId,
        indexes.map((index) => first({ index })),
        delta({ running: indexes.length }),
      );

      expect(indexesOf(await tasks.listChunk(jobId, 0, 0, 100))).toEqual([1, 2, 9, 10, CHUNK_SIZE - 1]);
      expect(indexesOf(await tasks.listChunk(jobId, 0, 2, 2))).toEqual([2, 9]);
      expect(indexesOf(await tasks.listChunk(jobId, 1, CHUNK_SIZE, 100))).toEqual([CHUNK_SIZE, CHUNK_SIZE + 1]);
      expect(await tasks.listChunk(jobId, 2, 0, 100)).toEqual([]);
    });

    it('lists the running tasks of a machine, of every job, and no longer when they run elsewhere or not at all', async () => {
      const { tasks, jobs, jobId } = await prepare();
      const other = jobFactory({ jobId: jobIdFactory(2) });
      await jobs.create(other, null);
      await tasks.commit(
        jobId,
        [0, 1, 2].map((index) => first({ index })),
        delta({ running: 3 }),
      );
      await tasks.commit(jobId, [first({ index: 3, instanceId: 'i-2' })], delta({ running: 1 }));
      await tasks.commit(other.jobId, [first({ jobId: other.jobId, index: 7 })], delta({ running: 1 }));
      const done = taskRecordFactory({ index: 1, status: 'COMPLETED', version: 2 });
      const moved = taskRecordFactory({ index: 2, instanceId: 'i-2', version: 2 });
      await tasks.commit(
        jobId,
        [done, moved].map((task) => ({ task, previousVersion: 1 })),
        delta({ running: -1, completed: 1 }),
      );

      const idsOf = async (instanceId: string) => (await tasks.listByInstance(instanceId)).map((task) => task.taskId);

      expect((await idsOf('i-1')).sort()).toEqual([taskIdFactory(0), taskIdFactory(7, other.jobId)].sort());
      expect((await idsOf('i-2')).sort()).toEqual([taskIdFactory(2), taskIdFactory(3)]);
      expect(await tasks.listByInstance('i-3')).toEqual([]);
      expect(await tasks.listByInstance('i-1')).toContainEqual(taskRecordFactory());
    });

    it('lists failed and running tasks in order, and no longer when they are neither', async () => {
      const { tasks, jobId } = await prepare();
      const failed = [3, 1, CHUNK_SIZE + 5].map((index) => first({ index, status: 'FAILED' }));
      const running = [2, 4].map((index) => first({ index }));
      await tasks.commit(jobId, [...failed, ...running], delta({ failed: 3, running: 2 }));
      const done = taskRecordFactory({ index: 2, status: 'COMPLETED', version: 2 });
      await tasks.commit(jobId, [{ task: done, previousVersion: 1 }], delta({ running: -1, completed: 1 }));

      expect(indexesOf(await tasks.listByStatus(jobId, 'FAILED', 0, 10))).toEqual([1, 3, CHUNK_SIZE + 5]);
      expect(indexesOf(await tasks.listByStatus(jobId, 'FAILED', 2, 1))).toEqual([3]);
      expect(await tasks.listByStatus(jobId, 'RUNNING', 0, 10)).toEqual([taskRecordFactory({ index: 4 })]);
    });
  });
}
