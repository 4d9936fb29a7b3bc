import { describe, expect, it } from 'vitest';
import type { Job } from '../../core/job.ts';
import { startedEvent } from '../../test/factories/events.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { taskMessageFactory } from '../../test/factories/task-message.ts';
import { applyReports } from '../accounting/apply-reports.ts';
import { accountingWorld } from '../accounting/testing/accounting-world.ts';
import { takeBackTasks } from './take-back-tasks.ts';

const GONE = { fleet: 'default', instanceId: 'i-gone', reason: 'the machine is gone without a goodbye' };

function prepare() {
  const world = accountingWorld();
  const { ports, tables } = world;
  const { queues } = ports;
  /** A machine of the fleet leases the job's task and says that it started. */
  const start = async (job: Job, index: number, instanceId: string, receiptHandle = true): Promise<void> => {
    const queue = queues('default', job.priority);
    await queue.send([taskMessageFactory({ jobId: job.jobId, taskId: taskIdFactory(index, job.jobId) })]);
    const { leases } = await queue.receive({ maxMessages: 1, waitSeconds: 0, leaseSeconds: 36_000 });
    const [lease] = leases;
    if (!lease) throw new Error('there is no message');
    const { leaseId, receiveCount, message } = lease;
    const event = startedEvent({
      jobId: job.jobId,
      taskId: message.taskId,
      leaseId,
      receiveCount,
      instanceId,
      at: at(10),
      ...(receiptHandle ? { receiptHandle: lease.receiptHandle } : {}),
    });
    const progress = await ports.jobs.progress(job.jobId);
    if (!progress) throw new Error('there is no job');
    await applyReports(progress, [{ event, messageId: leaseId, redelivered: false }], ports);
  };
  const rows = () => [...tables.tasks.values()].map(({ taskId, status, attempt }) => ({ taskId, status, attempt }));
  return { ports, tables, queues, add: world.addJob, start, rows };
}

describe('a machine that vanishes', () => {
  it('on a fleet that the job has left has them sent to where they belong now', async () => {
    const { ports, queues, add, start } = prepare();
    const shares = [
      { fleet: 'default', tasks: 3 },
      { fleet: 'other', tasks: 0 },
    ];
    const left = [{ fleet: 'default', at: at(20), reason: 'gone', to: [{ fleet: 'other', tasks: 3 }] }];
    const job = add({ fleet: ['default', 'other'], placement: { shares, left, reasons: [], at: at(20) } });
    await start(job, 0, 'i-gone');

    expect(await takeBackTasks([GONE], ports)).toBe(1);

    expect(await queues('default', 'normal').depth()).toMatchObject({ visible: 0, inFlight: 1 });
    const { leases } = await queues('other', 'normal').receive({ maxMessages: 10, waitSeconds: 0, leaseSeconds: 60 });
    expect(leases.map(({ message }) => [message.taskId, message.attempt])).toEqual([[taskIdFactory(0), 1]]);
  });

  it('has its long tasks taken back at once, under the same attempt, uncharged (lesson 34)', async () => {
    const { ports, tables, queues, add, start, rows } = prepare();
    const job = add();
    await start(job, 0, 'i-gone');
    await start(job, 1, 'i-other');

    expect(await takeBackTasks([GONE], ports)).toBe(1);

    expect(rows()).toEqual([
      { taskId: taskIdFactory(0), status: 'PENDING', attempt: 1 },
      { taskId: taskIdFactory(1), status: 'RUNNING', attempt: 1 },
    ]);
    expect(tables.tasks.get(taskIdFactory(0))).toMatchObject({
      chargedAttempts: 0,
      unchargedAttempts: 1,
      lostLeases: 1,
      attempts: [{ outcome: 'lost', charged: false, seconds: 50, reason: GONE.reason }],
    });
    expect(tables.jobs.get(job.jobId)?.counters).toMatchObject({ running: 1, lostSeconds: 50 });
    expect(await queues('default', 'normal').depth()).toMatchObject({ visible: 1, inFlight: 1 });
  });

  it('gives back the tasks of every job that it worked for, each to its own queue', async () => {
    const { ports, queues, add, start } = prepare();
    await start(add(), 0, 'i-gone');
    await start(add({ jobId: jobIdFactory(2), priority: 'high' }), 0, 'i-gone');

    expect(await takeBackTasks([GONE], ports)).toBe(2);

    expect(await queues('default', 'normal').depth()).toMatchObject({ visible: 1, inFlight: 0 });
    expect(await queues('default', 'high').depth()).toMatchObject({ visible: 1, inFlight: 0 });
  });

  it('gives back what was leased before its job had another priority', async () => {
    const { ports, queues, add, start } = prepare();
    const job = add();
    await start(job, 0, 'i-gone');
    await ports.jobs.amend(job, { priority: 'high' });
    await ports.jobs.amend({ ...job, priority: 'high' }, { priority: 'low' });

    expect(await takeBackTasks([GONE], ports)).toBe(1);

    expect(await queues('default', 'normal').depth()).toMatchObject({ visible: 1, inFlight: 0 });
  });

  it('may be looked at twice: the second time there is nothing left', async () => {
    const { ports, tables, add, start } = prepare();
    const job = add();
    await start(job, 0, 'i-gone');

    await takeBackTasks([GONE], ports);
    expect(await takeBackTasks([GONE], ports)).toBe(0);

    expect(tables.tasks.get(taskIdFactory(0))?.attempts).toHaveLength(1);
  });

  it('leaves a lease whose handle nobody knows to its own end', async () => {
    const { ports, queues, add, start, rows } = prepare();
    await start(add(), 0, 'i-gone', false);

    expect(await takeBackTasks([GONE], ports)).toBe(1);

    expect(rows()).toMatchObject([{ status: 'PENDING', attempt: 1 }]);
    expect(await queues('default', 'normal').depth()).toMatchObject({ visible: 0, inFlight: 1 });
  });
});
