import { describe, expect, it } from 'vitest';
import { isTaskCancelled } from '../../core/control-document.ts';
import type { Counters } from '../../core/counters.ts';
import { NotFoundError, TransientError } from '../../core/errors.ts';
import type { Job, JobStatus } from '../../core/job.ts';
import type { TaskRecord } from '../../core/task.ts';
import { releasedEvent } from '../../test/factories/events.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { failureFactory, taskRecordFactory } from '../../test/factories/task-record.ts';
import { InMemoryControlChannel } from '../../test/fakes/in-memory-control-channel.ts';
import { applyReports } from '../accounting/apply-reports.ts';
import { accountingWorld, TOKEN } from '../accounting/testing/accounting-world.ts';
import { cancelTask } from './cancel-task.ts';

const JOB = jobIdFactory();

function prepare(overrides: Partial<Job> = {}, counters: Partial<Counters> = {}, rows: readonly TaskRecord[] = []) {
  const world = accountingWorld();
  world.addJob(overrides, rows, counters);
  const ports = { ...world.ports, control: new InMemoryControlChannel() };
  return {
    ...world,
    ports,
    machine: ports.machine,
    cancel: (index = 0) => cancelTask({ jobId: JOB, index }, ports),
    machinesWereTold: async (index = 0): Promise<boolean> => {
      const read = await ports.control.read('default');
      return read.kind === 'document' && isTaskCancelled(read.document, taskIdFactory(index));
    },
  };
}

describe('cancelling one task', () => {
  it('ends one that waits, counts it once, and tells the machines, which may hold its message', async () => {
    const { cancel, row, counters, machinesWereTold, machine } = prepare({ taskCount: 3 }, { completed: 1 });

    const { task, hadEnded } = await cancel(2);

    expect(task).toEqual({ taskId: taskIdFactory(2), jobId: JOB, status: 'CANCELLED', cancelRequested: true });
    expect(hadEnded).toBe(false);
    expect(row(2)).toMatchObject({ status: 'CANCELLED', finishedAt: at(60) });
    expect(counters()).toMatchObject({ completed: 1, cancelled: 1, running: 0 });
    expect(await machinesWereTold(2)).toBe(true);
    expect(machine.answers.size).toBe(0);
  });

  it('marks one that runs; it ends as CANCELLED when its machine gives it back', async () => {
    const { cancel, row, counters, machinesWereTold, ports } = prepare({}, { running: 1 }, [taskRecordFactory()]);

    const { task } = await cancel();

    expect(task).toMatchObject({ status: 'RUNNING', cancelRequested: true });
    expect(await machinesWereTold()).toBe(true);
    const progress = await ports.jobs.progress(JOB);
    if (!progress) throw new Error('the job is gone');
    const event = releasedEvent({ cause: 'cancelled', reason: 'cancelled' });
    await applyReports(progress, [{ event, messageId: 'm', redelivered: false }], ports);
    expect(row()).toMatchObject({ status: 'CANCELLED', failure: null });
    expect(counters()).toMatchObject({ running: 0, cancelled: 1, failed: 0 });
  });

  it('lets the job go on to its end when it was the last one', async () => {
    const { cancel, machine } = prepare({ taskCount: 3 }, { completed: 1, failed: 1 });

    await cancel(2);

    expect(machine.answers.get(TOKEN)).toBe('settled');
  });

  it.each([
    taskRecordFactory({ status: 'COMPLETED', result: { json: '1' } }),
    taskRecordFactory({ status: 'FAILED', failure: failureFactory() }),
    taskRecordFactory({ status: 'CANCELLED' }),
  ])('that is $status changes nothing and says so', async (ended) => {
    const { cancel, row, machinesWereTold } = prepare({}, { completed: 1 }, [ended]);

    const { task, hadEnded } = await cancel();

    expect({ status: task.status, hadEnded }).toEqual({ status: ended.status, hadEnded: true });
    expect(row()).toEqual(ended);
    expect(await machinesWereTold()).toBe(false);
  });

  it.each<JobStatus>(['COMPLETED', 'FAILED', 'CANCELLED'])('of a job that is %s changes nothing', async (status) => {
    const { cancel, tables, machinesWereTold } = prepare({ status }, {}, [taskRecordFactory()]);

    const { task, hadEnded } = await cancel();

    expect({ status: task.status, hadEnded }).toEqual({ status: 'CANCELLED', hadEnded: true });
    expect(tables.tasks.get(taskIdFactory())?.status).toBe('RUNNING');
    expect(await machinesWereTold()).toBe(false);
  });

  it('twice counts it once, and tells the machines what a run that died did not', async () => {
    const { cancel, counters, machinesWereTold, ports } = prepare();
    const update = ports.control.update.bind(ports.control);
    ports.control.update = async () => {
      throw new TransientError('the bucket does not answer');
    };
    await expect(cancel()).rejects.toThrow(TransientError);
    ports.control.update = update;

    const again = await cancel();

    expect(again).toMatchObject({ task: { status: 'CANCELLED' }, hadEnded: true });
    expect(await machinesWereTold()).toBe(true);
    expect(counters()?.cancelled).toBe(1);
  });

  it.each([
    ['a job that does not exist', jobIdFactory(9), 0],
    ['a task beyond the last', JOB, 3],
  ])('of %s is told so', async (_what, jobId, index) => {
    const { ports } = prepare({ taskCount: 3 });

    await expect(cancelTask({ jobId, index }, ports)).rejects.toThrow(NotFoundError);
  });
});
