import { describe, expect, it } from 'vitest';
import { TransientError } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import { outcomeOf } from '../../core/job-outcome.ts';
import { fleetOf } from '../../core/placement.ts';
import { type CommitOutcome, type JobProgress, MAX_TASKS_PER_COMMIT, type TaskStore } from '../../core/ports.ts';
import type { TaskRecord } from '../../core/task.ts';
import type { TaskReport } from '../../core/task-report.ts';
import { completedEvent, failedEvent, releasedEvent, startedEvent } from '../../test/factories/events.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { instanceFactory } from '../../test/factories/instance.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { cancelRequest, deadLetteredReport, lostReport } from '../../test/factories/reports.ts';
import { failureFactory, taskRecordFactory } from '../../test/factories/task-record.ts';
import { type ApplyPorts, applyReports } from './apply-reports.ts';
import { accountingWorld, TOKEN } from './testing/accounting-world.ts';

/** A job that waits for its completion, with these rows. */
async function prepare(rows: readonly TaskRecord[] = [], overrides: Partial<Job> = {}) {
  const world = accountingWorld();
  const job = world.addJob(overrides, rows);
  await world.fleets.addInstances([instanceFactory({ hourlyPriceUsd: 3.6 })]);
  const ports = { ...world.ports, random: () => 0.999 };
  return {
    ...world,
    ...ports,
    ports,
    apply: async (reports: readonly TaskReport[], changed: Partial<ApplyPorts> = {}) => {
      const progress: JobProgress | undefined = await ports.jobs.progress(job.jobId);
      if (!progress) throw new Error('the job is gone');
      const delivered = reports.map((event, n) => ({ event, messageId: `m-${n}`, redelivered: false }));
      return applyReports(progress, delivered, { ...ports, ...changed });
    },
  };
}

describe('a job over two fleets', () => {
  const shares = [
    { fleet: 'default', tasks: 2 },
    { fleet: 'other', tasks: 1 },
  ];
  const placement = { shares, left: [], reasons: [], at: at(0) };
  const job = { fleet: ['default', 'other'], taskCount: 3, placement };
  const firstFleets = [0, 1, 2].map((index) => fleetOf(job, index));

  it('has what ended counted by its first fleet, together with the rest, and once', async () => {
    const { apply, counters } = await prepare([], job);
    const reports = [0, 1, 2].map((index) =>
      completedEvent({ taskId: taskIdFactory(index), leaseId: `lease-${index}` }),
    );

    await apply(reports.slice(0, 2));
    await apply(reports);

    expect(firstFleets.toSorted()).toEqual(['default', 'default', 'other']);
    expect(counters()).toMatchObject({ completed: 3, endedByFleet: { default: 2, other: 1 } });
  });

  it('has its next attempts sent to the fleet of each task', async () => {
    const { apply, queues } = await prepare([], { ...job, retry: { ...jobFactory().retry, backoffSeconds: 0 } });
    const failed = (index: number) =>
      failedEvent({
        taskId: taskIdFactory(index),
        leaseId: `lease-${index}`,
        failure: failureFactory({ exitCode: 75 }),
      });

    await apply([0, 1, 2].map(failed));

    expect(await queues('default', 'normal').depth()).toMatchObject({ visible: 2 });
    expect(await queues('other', 'normal').depth()).toMatchObject({ visible: 1 });
  });
});

describe('whoever brings reports', () => {
  it('has rows, counters and costs change together', async () => {
    const { apply, counters, row } = await prepare([taskRecordFactory({ index: 1, leaseId: 'lease-1' })]);

    await apply([
      completedEvent({ seconds: 4 }),
      lostReport({ taskId: taskIdFactory(1), at: at(30) }),
      cancelRequest({ taskId: taskIdFactory(2) }),
    ]);

    expect([row(0)?.status, row(1)?.status, row(2)?.status]).toEqual(['COMPLETED', 'PENDING', 'CANCELLED']);
    expect(counters()).toEqual(
      countersFactory({
        completed: 1,
        cancelled: 1,
        completedSeconds: 4,
        costUsd: 0.004 + 0.02,
        lostSeconds: 20,
        lostUsd: 0.02,
      }),
    );
  });

  it('has a lost lease paid by the price of its own machine, not of the one that tells of it', async () => {
    const { apply, row } = await prepare([taskRecordFactory()]);

    await apply([startedEvent({ leaseId: 'lease-2', instanceId: 'i-cheap', receiveCount: 2, at: at(30) })]);

    expect(row()?.attempts).toMatchObject([{ outcome: 'lost', instanceId: 'i-1', costUsd: 0.02 }]);
  });

  it('has the next attempt sent at once, or when it is due', async () => {
    const { apply, sent, delayed } = await prepare();

    const { sent: count } = await apply([releasedEvent(), failedEvent({ taskId: taskIdFactory(1) })]);

    expect(count).toBe(2);
    expect(await sent()).toMatchObject([{ taskId: taskIdFactory(0), attempt: 2 }]);
    expect(delayed.queue.depth()).toMatchObject({ delayed: 1 });
  });

  it('has a dead-lettered task sent that has no row, and writes none', async () => {
    const { apply, sent, row } = await prepare();

    await apply([deadLetteredReport()]);

    expect(await sent()).toMatchObject([{ taskId: taskIdFactory(), attempt: 1 }]);
    expect(row()).toBeUndefined();
  });

  it('answers the job’s wait after the last task, also when only a repeated report is left to say so', async () => {
    const { apply, machine } = await prepare([], { taskCount: 1 });
    const dying = { start: machine.start, signal: () => Promise.reject(new TransientError('no answer')) };

    await expect(apply([completedEvent()], { machine: dying })).rejects.toThrow(TransientError);
    expect(machine.answers.get(TOKEN)).toBeUndefined();
    await apply([completedEvent()]);

    expect(machine.answers.get(TOKEN)).toBe('settled');
  });
});

describe('a job that was paused before it ran', () => {
  it.each(['PAUSED', 'RUNNING'] as const)('and is %s now has started once a task has run', async (status) => {
    const { apply, job } = await prepare([], { status, startedAt: null });

    await apply([completedEvent()]);

    expect(job()).toMatchObject({ status, startedAt: at(60) });
  });
});

describe('a closed job', () => {
  const ended = taskRecordFactory({ status: 'COMPLETED', leaseId: 'winner' });

  async function closed() {
    const world = await prepare([ended], { status: 'COMPLETED', finishedAt: at(50) });
    await world.jobs.fence(jobIdFactory());
    return world;
  }

  it('keeps a late report as evidence on its task, and counts nothing', async () => {
    const { apply, row, counters } = await closed();
    const before = counters();

    const { applied } = await apply([completedEvent({ leaseId: 'zombie' })]);

    expect(row()).toMatchObject({ status: 'COMPLETED', leaseId: 'winner', staleReports: [{ leaseId: 'zombie' }] });
    expect(applied.flatMap(({ stale }) => stale)).toHaveLength(1);
    expect(counters()).toEqual(before);
  });

  it('neither makes a row for a task that has none, nor sends it again', async () => {
    const { apply, row, sent } = await closed();

    await apply([failedEvent({ taskId: taskIdFactory(1) }), deadLetteredReport({ taskId: taskIdFactory(2) })]);

    expect([row(1), row(2)]).toEqual([undefined, undefined]);
    expect(await sent()).toEqual([]);
  });

  it('that was fenced while this was read takes evidence, and nothing else', async () => {
    const world = await prepare([ended, taskRecordFactory({ index: 1 })]);
    await world.jobs.fence(jobIdFactory());
    const before = world.counters();

    await world.apply([
      completedEvent({ leaseId: 'zombie', receiveCount: 2 }),
      completedEvent({ taskId: taskIdFactory(1), leaseId: 'late', receiveCount: 2 }),
      completedEvent({ taskId: taskIdFactory(2) }),
    ]);

    expect(world.row(0)?.staleReports).toHaveLength(1);
    expect(world.row(1)).toMatchObject({ status: 'RUNNING', staleReports: [{ leaseId: 'late' }] });
    expect(world.row(2)).toBeUndefined();
    expect(world.counters()).toEqual(before);
  });
});

describe('rows', () => {
  const count = MAX_TASKS_PER_COMMIT + 2;
  const many = Array.from({ length: count }, (_, index) => completedEvent({ taskId: taskIdFactory(index) }));

  it('are written in as few transactions as they fit in, and none is read for a first word', async () => {
    const { apply, ports, counters } = await prepare([], { taskCount: 1_000 });
    const sizes: number[] = [];
    const read: string[] = [];
    const tasks: TaskStore = Object.assign(Object.create(ports.tasks), {
      commit: (...parameters: Parameters<TaskStore['commit']>) => {
        sizes.push(parameters[1].length);
        return ports.tasks.commit(...parameters);
      },
      getMany: (taskIds: readonly string[]) => {
        read.push(...taskIds);
        return ports.tasks.getMany(taskIds);
      },
    });

    await apply(many, { tasks });

    expect(sizes).toEqual([MAX_TASKS_PER_COMMIT, 2]);
    expect(read).toEqual([]);
    expect(counters()).toMatchObject({ completed: count });
  });

  it('that are in the way are decided on again, with what they say now', async () => {
    const { apply, row, counters } = await prepare([taskRecordFactory({ status: 'COMPLETED', leaseId: 'winner' })]);

    await apply([completedEvent({ leaseId: 'second' }), completedEvent({ taskId: taskIdFactory(1) })]);

    expect(row(0)).toMatchObject({ leaseId: 'winner', staleReports: [{ leaseId: 'second' }] });
    expect(counters()).toMatchObject({ completed: 1 });
  });

  it('that stay contended are an error that passes, after a few rounds', async () => {
    const { apply, ports } = await prepare();
    let tries = 0;
    const commit = async (): Promise<CommitOutcome> => {
      tries += 1;
      return { kind: 'conflict', current: [] };
    };
    const tasks: TaskStore = Object.assign(Object.create(ports.tasks), { commit });

    await expect(apply([completedEvent()], { tasks })).rejects.toThrow(TransientError);
    expect(tries).toBeLessThan(20);
  });
});

describe('a job that machine after machine has trouble with', () => {
  /** Trouble every two minutes, on two machines in turn. */
  const trouble = (n: number) =>
    releasedEvent({
      ...{ taskId: taskIdFactory(0), attempt: n + 1, leaseId: `lease-${n}`, cause: 'machine', reason: 'setup failed' },
      ...{ instanceId: `i-${n % 2}`, at: at(n * 120) },
    });

  it('is given up: its wait is answered, and the reason stands on it', async () => {
    const { apply, jobs, machine } = await prepare();

    for (let n = 0; n < 5; n += 1) await apply([trouble(n)]);
    expect([...machine.answers]).toEqual([]);
    await apply([trouble(5)]);

    expect([...machine.answers]).toEqual([[TOKEN, 'settled']]);
    expect((await jobs.progress(jobIdFactory()))?.job.problem).toMatchObject({
      ...{ reason: 'setup failed', count: 6, since: at(0), hopeless: true },
    });
  });

  it('says why it failed when its task was given back too often first', async () => {
    const row = taskRecordFactory({ status: 'PENDING', attempt: 21, unchargedAttempts: 20, leaseId: null });
    const { apply, jobs } = await prepare([row], { taskCount: 1 });

    await apply([trouble(20)]);

    const { job, counters } = (await jobs.progress(jobIdFactory())) ?? {
      job: jobFactory(),
      counters: countersFactory(),
    };
    expect(outcomeOf(job, counters, 'settled')).toEqual({
      status: 'FAILED',
      reason: '1 of 1 task failed, 0 allowed, because setup failed',
    });
  });

  it('goes on when a task ends in between, or when it is the same report again', async () => {
    const { apply, jobs, machine } = await prepare();

    for (let n = 0; n < 5; n += 1) await apply([trouble(n)]);
    await apply([trouble(4)]);
    expect((await jobs.progress(jobIdFactory()))?.job.problem).toMatchObject({ count: 5 });
    await apply([completedEvent({ taskId: taskIdFactory(1) })]);
    await apply([trouble(5)]);

    expect([...machine.answers]).toEqual([]);
    expect((await jobs.progress(jobIdFactory()))?.job.problem).toMatchObject({ count: 1, hopeless: false });
  });
});
