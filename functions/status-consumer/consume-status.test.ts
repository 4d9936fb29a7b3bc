import { describe, expect, it } from 'vitest';
import type { Counters } from '../../core/counters.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import type { StatusEvent } from '../../core/messages.ts';
import type { TaskWrite } from '../../core/ports.ts';
import type { TaskRecord } from '../../core/task.ts';
import {
  completedEvent,
  failedEvent,
  instanceEvent,
  releasedEvent,
  startedEvent,
} from '../../test/factories/events.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { instanceFactory } from '../../test/factories/instance.ts';
import { countersFactory } from '../../test/factories/job.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { failureFactory, taskRecordFactory } from '../../test/factories/task-record.ts';
import { InMemoryDeadLetterChannel } from '../../test/fakes/in-memory-dead-letter-channel.ts';
import { InMemoryWaker } from '../../test/fakes/in-memory-waker.ts';
import { accountingWorld, TOKEN } from '../accounting/testing/accounting-world.ts';
import type { QueueRecord } from '../queue-batch.ts';
import { consumeStatus } from './consume-status.ts';

const OTHER = jobIdFactory(2);

/** A job that waits for its completion, and everything that a consumer talks to. */
function prepare(overrides: Partial<Job> = {}, counters: Partial<Counters> = {}, rows: readonly TaskRecord[] = []) {
  const world = accountingWorld();
  world.addJob(overrides, rows, counters);
  const { fleets } = world;
  const ports = {
    ...world.ports,
    fleets,
    deadLetters: new InMemoryDeadLetterChannel(),
    waker: new InMemoryWaker(),
  };
  return {
    ...world,
    ...ports,
    ports,
    consume: (...records: QueueRecord[]) => consumeStatus(records, ports),
  };
}

let made = 0;
const record = (events: readonly StatusEvent[], overrides: Partial<QueueRecord> = {}): QueueRecord => {
  made += 1;
  return {
    messageId: `m-${made}`,
    body: JSON.stringify({ v: 1, source: 'i-1', events }),
    receiveCount: 1,
    ...overrides,
  };
};
const again = (delivered: QueueRecord): QueueRecord => ({ ...delivered, receiveCount: delivered.receiveCount + 1 });

const unavailable = async (): Promise<never> => {
  throw new TransientError('it does not answer');
};

describe('how far reports are read', () => {
  const noting = (world: ReturnType<typeof prepare>, noted: Date[]) => ({
    ...world.ports,
    statusFlow: { noteApplied: async (sentAt: Date) => void noted.push(sentAt) },
  });
  const sent = (seconds: number) => record([startedEvent()], { sentAt: new Date(at(seconds)) });

  it('is noted by the oldest of a batch, once all of it is done', async () => {
    const world = prepare();
    const noted: Date[] = [];

    await consumeStatus([sent(30), sent(20), sent(40)], noting(world, noted));

    expect(noted).toEqual([new Date(at(20))]);
  });

  it('is not noted while a part must come back, and returns nothing that is done when it cannot be noted', async () => {
    const world = prepare();
    const noted: Date[] = [];
    const failing = {
      ...noting(world, noted),
      jobs: Object.assign(Object.create(world.jobs), { progress: unavailable }),
    };
    await consumeStatus([sent(30)], failing);
    const unnotable = { ...world.ports, statusFlow: { noteApplied: unavailable } };

    const { failed } = await consumeStatus([sent(30)], unnotable);

    expect(noted).toEqual([]);
    expect(failed.size).toBe(0);
  });
});

describe('reports on tasks', () => {
  it('change rows and counters together', async () => {
    const { consume, row, counters } = prepare();

    const { failed, applied } = await consume(
      record([startedEvent(), completedEvent({ taskId: taskIdFactory(1), seconds: 4 })]),
    );

    expect(failed.size).toBe(0);
    expect(applied).toHaveLength(2);
    expect([row(0)?.status, row(1)?.status]).toEqual(['RUNNING', 'COMPLETED']);
    expect(counters()).toEqual(countersFactory({ running: 1, completed: 1, completedSeconds: 4 }));
  });

  it('are counted once however often they are delivered (lesson 1)', async () => {
    const { consume, counters } = prepare();
    const once = record([startedEvent(), completedEvent()]);

    await consume(once);
    await consume(again(once));
    const { failed } = await consume(record([completedEvent()]), once);

    expect(failed.size).toBe(0);
    expect(counters()).toMatchObject({ running: 0, completed: 1 });
  });

  it('that come late do not write over a terminal state (lesson 3)', async () => {
    const { consume, row } = prepare();
    await consume(record([completedEvent({ result: { json: '1' } })]));

    const { applied } = await consume(
      record([completedEvent({ result: { json: '2' }, leaseId: 'zombie' }), failedEvent()]),
    );

    expect(row()?.result).toEqual({ json: '1' });
    expect(row()?.staleReports).toMatchObject([{ kind: 'completed', leaseId: 'zombie' }]);
    expect(applied.flatMap((task) => task.stale)).toHaveLength(1);
  });

  it('make a job RUNNING when its first task does something', async () => {
    const { consume, job } = prepare({ status: 'ENQUEUED', startedAt: null });

    await consume(record([startedEvent()]));

    expect(job()).toMatchObject({ status: 'RUNNING', startedAt: at(60) });
  });

  it('of 250 tasks in one batch are committed in transactions of at most 99', async () => {
    const { consume, counters, tasks, tables } = prepare({ taskCount: 250 });
    const sizes: number[] = [];
    const commit = tasks.commit.bind(tasks);
    tasks.commit = async (jobId, writes, delta) => {
      sizes.push(writes.length);
      return commit(jobId, writes, delta);
    };
    const events = Array.from({ length: 250 }, (_, index) => completedEvent({ taskId: taskIdFactory(index) }));

    const { failed } = await consume(record(events.slice(0, 130)), record(events.slice(130)));

    expect(failed.size).toBe(0);
    expect(sizes.toSorted()).toEqual([52, 99, 99]);
    expect(counters()?.completed).toBe(250);
    expect(tables.tasks.size).toBe(250);
  });

  it('on first attempts are written without being read: a million tasks cost no read', async () => {
    const { consume, tasks } = prepare();
    const asked: (readonly string[])[] = [];
    const getMany = tasks.getMany.bind(tasks);
    tasks.getMany = async (taskIds) => {
      asked.push(taskIds);
      return getMany(taskIds);
    };

    await consume(record([startedEvent()]));
    await consume(record([startedEvent({ taskId: taskIdFactory(1), receiveCount: 2 })]));
    await consume(again(record([startedEvent({ taskId: taskIdFactory(2) })])));

    expect(asked).toEqual([[], [taskIdFactory(1)], [taskIdFactory(2)]]);
  });

  it('above the known attempt come back, while their neighbours are applied', async () => {
    const { consume, row } = prepare();
    const early = record([completedEvent({ attempt: 2, leaseId: 'lease-2' })]);
    const good = record([startedEvent({ taskId: taskIdFactory(1) })]);

    const { failed } = await consume(early, good);

    expect([...failed.keys()]).toEqual([early.messageId]);
    expect([row(0), row(1)?.status]).toEqual([undefined, 'RUNNING']);
  });
});

describe('two consumers at once', () => {
  it('decide again when the other one wrote first', async () => {
    const { consume, tasks, row, counters } = prepare();
    const commit = tasks.commit.bind(tasks);
    let rival: Promise<unknown> | undefined;
    tasks.commit = async (jobId, writes, delta) => {
      tasks.commit = commit;
      rival = consume(record([completedEvent({ leaseId: 'rival', result: { json: '"first"' } })]));
      await rival;
      return commit(jobId, writes, delta);
    };

    const { failed, applied } = await consume(record([completedEvent({ result: { json: '"second"' } })]));

    expect(failed.size).toBe(0);
    expect(row()?.result).toEqual({ json: '"first"' });
    expect(applied[0]?.stale).toHaveLength(1);
    expect(counters()).toMatchObject({ completed: 1, running: 0 });
  });

  it('lose none of ninety-nine writes to one that is in the way', async () => {
    const { consume, counters } = prepare({ taskCount: 99 }, { completed: 1 }, [
      taskRecordFactory({ index: 50, status: 'COMPLETED' }),
    ]);
    const events = Array.from({ length: 99 }, (_, index) => completedEvent({ taskId: taskIdFactory(index) }));

    const { failed } = await consume(record(events));

    expect(failed.size).toBe(0);
    expect(counters()?.completed).toBe(99);
  });

  it('that cannot get past each other return their records', async () => {
    const { consume, tasks, row } = prepare();
    tasks.commit = async () => ({ kind: 'conflict', current: [] });
    const delivered = record([startedEvent()]);

    const { failed } = await consume(delivered);

    expect(failed.get(delivered.messageId)).toBeInstanceOf(TransientError);
    expect(row()).toBeUndefined();
  });
});

describe('a job that is closed', () => {
  it('takes no report: it is stale, and does not come back', async () => {
    const { consume, row, counters, machine } = prepare({ status: 'CANCELLED' });

    const { failed, applied } = await consume(record([completedEvent()]));

    expect(failed.size).toBe(0);
    expect(applied[0]?.stale).toHaveLength(1);
    expect(row()).toBeUndefined();
    expect(counters()).toEqual(countersFactory());
    expect(machine.answers.size).toBe(0);
  });

  it('between the look at it and the write takes no report either', async () => {
    const { consume, tasks, jobs, row, counters, sent } = prepare();
    const commit = tasks.commit.bind(tasks);
    tasks.commit = async (jobId, writes, delta) => {
      await jobs.fence(jobIdFactory());
      return commit(jobId, writes, delta);
    };

    const { failed, applied } = await consume(record([failedEvent()]));

    expect(failed.size).toBe(0);
    expect(applied[0]?.stale[0]?.reason).toBe('the job is closed');
    expect([row(), counters()]).toEqual([undefined, countersFactory()]);
    expect(await sent()).toEqual([]);
  });
});

describe('a failure that may pass', () => {
  it('is recorded as the next attempt, then sent, and the scaler is woken', async () => {
    const { consume, row, sent, waker } = prepare();

    await consume(record([failedEvent()]));

    expect(row()).toMatchObject({ status: 'PENDING', attempt: 2, causedByLeaseId: 'lease-1' });
    const messages = await sent();
    expect(messages).toMatchObject([{ taskId: taskIdFactory(), attempt: 2, inputRef: { line: 0 } }]);
    expect(waker.wakes).toBe(1);
  });

  it('waits for its backoff on the delayed queue, which knows no fleets (lesson 9)', async () => {
    const { ports, queues, delayed } = prepare({ priority: 'high' });

    await consumeStatus([record([failedEvent()])], { ...ports, random: () => 0.99 });

    expect(await queues('default', 'high').depth()).toMatchObject({ visible: 0, delayed: 0 });
    expect(delayed.queue.depth()).toMatchObject({ delayed: 1 });
  });

  it('comes back when the next attempt could not be sent, and is then sent (lessons 6 and 12)', async () => {
    const { consume, queues, row, sent, counters } = prepare();
    const queue = queues('default', 'normal');
    const send = queue.send.bind(queue);
    queue.send = unavailable;
    const delivered = record([startedEvent(), failedEvent()]);

    const first = await consume(delivered);

    expect([...first.failed.keys()]).toEqual([delivered.messageId]);
    expect(row()).toMatchObject({ status: 'PENDING', attempt: 2 });
    queue.send = send;
    const second = await consume(again(delivered));
    expect(second.failed.size).toBe(0);
    expect(row()).toMatchObject({ status: 'PENDING', attempt: 2, chargedAttempts: 1 });
    expect((await sent()).map((message) => message.attempt)).toEqual([2]);
    expect(counters()).toEqual(countersFactory({ lostSeconds: 5 }));
  });

  it('ends the task when it came too often', async () => {
    const { consume, row, counters, sent } = prepare({}, {}, [
      taskRecordFactory({ status: 'PENDING', attempt: 3, chargedAttempts: 2 }),
    ]);

    await consume(record([failedEvent({ attempt: 3, leaseId: 'lease-3' })]));

    expect(row()).toMatchObject({ status: 'FAILED', failure: failureFactory() });
    expect(counters()?.failed).toBe(1);
    expect(await sent()).toEqual([]);
  });

  it('ends the task as cancelled in a job that is being cancelled', async () => {
    const { consume, row, sent } = prepare({ status: 'CANCELLING' }, { running: 1 }, [taskRecordFactory()]);

    await consume(record([releasedEvent({ cause: 'cancelled' })]));

    expect(row()?.status).toBe('CANCELLED');
    expect(await sent()).toEqual([]);
  });
});

describe('the completion of a job', () => {
  it('is signalled with its last report', async () => {
    const { consume, machine } = prepare({ taskCount: 1 });

    await consume(record([completedEvent()]));

    expect(machine.answers.get(TOKEN)).toBe('settled');
  });

  it('is not signalled while a task is left', async () => {
    const { consume, machine } = prepare({ taskCount: 2 });

    await consume(record([completedEvent()]));

    expect(machine.answers.size).toBe(0);
  });

  it('is looked at on known reports too: a crash before the signal heals on redelivery', async () => {
    const { consume, machine } = prepare({ taskCount: 1 });
    const signal = machine.signal.bind(machine);
    machine.signal = unavailable;
    const delivered = record([completedEvent()]);
    expect((await consume(delivered)).failed.size).toBe(1);
    machine.signal = signal;

    const { failed, applied } = await consume(again(delivered));

    expect(failed.size).toBe(0);
    expect(applied[0]).toMatchObject({ write: null, stale: [] });
    expect(machine.answers.get(TOKEN)).toBe('settled');
  });

  it('is left to the execution when it does not wait yet', async () => {
    const { consume, machine } = prepare({ taskCount: 1, taskToken: null });

    expect((await consume(record([completedEvent()]))).failed.size).toBe(0);
    expect(machine.answers.size).toBe(0);
  });

  it('of a job that is being cancelled comes when nothing runs any more', async () => {
    const { consume, machine } = prepare({ status: 'CANCELLING', taskCount: 9 }, { running: 1 }, [taskRecordFactory()]);

    await consume(record([releasedEvent({ cause: 'cancelled' })]));

    expect(machine.answers.get(TOKEN)).toBe('settled');
  });
});

describe('what nobody can understand', () => {
  it('goes to the dead letters with its reason, and is done with; its neighbours are applied (lesson 4)', async () => {
    const { consume, deadLetters, row } = prepare();
    const garbage = record([], { body: 'no JSON at all' });
    const half = record([startedEvent(), { ...startedEvent(), attempt: -1 }]);

    const { failed, malformed } = await consume(garbage, half);

    expect(failed.size).toBe(0);
    expect(malformed).toHaveLength(2);
    expect(deadLetters.letters).toMatchObject([
      { body: 'no JSON at all', reason: 'the body is not JSON', source: 'status' },
      { reason: expect.stringMatching(/^attempt: /), source: 'status' },
    ]);
    expect(row()?.status).toBe('RUNNING');
  });

  it('is a report on a job or a task that does not exist', async () => {
    const { consume, deadLetters, tables } = prepare({ taskCount: 3 });

    const { failed } = await consume(
      record([startedEvent({ jobId: OTHER, taskId: taskIdFactory(0, OTHER) })]),
      record([startedEvent({ taskId: taskIdFactory(3) })]),
    );

    expect(failed.size).toBe(0);
    expect(deadLetters.letters.map(({ reason }) => reason)).toEqual(['there is no such task', 'there is no such task']);
    expect(deadLetters.letters.map(({ body }) => JSON.parse(body).taskId)).toEqual([
      taskIdFactory(0, OTHER),
      taskIdFactory(3),
    ]);
    expect(tables.tasks.size).toBe(0);
  });

  it('comes back when the dead letters do not take it: failing closed (lesson 4)', async () => {
    const { consume, deadLetters, row } = prepare();
    deadLetters.put = unavailable;
    const garbage = record([], { body: '{' });
    const mixed = record([startedEvent(), { ...startedEvent(), leaseId: '' }]);
    const unknown = record([startedEvent({ taskId: taskIdFactory(9) })]);
    const good = record([startedEvent({ taskId: taskIdFactory(1) })]);

    const { failed } = await consume(garbage, mixed, unknown, good);

    expect([...failed.keys()].toSorted()).toEqual([garbage, mixed, unknown].map((each) => each.messageId).toSorted());
    expect([row(0)?.status, row(1)?.status]).toEqual(['RUNNING', 'RUNNING']);
  });
});

describe('reports on machines', () => {
  it('takes a machine that reports on a task for ready, though nothing else has said so', async () => {
    const world = prepare();
    await world.fleets.addInstances([instanceFactory({ instanceId: 'i-1', state: 'BOOTING' })]);

    await world.consume(record([completedEvent({ instanceId: 'i-1', at: at(15) })]));

    expect((await world.fleets.findMany(['default'], ['i-1'])).get('i-1')).toMatchObject({
      state: 'READY',
      readyAt: at(15),
    });
  });

  it('change their rows, forward only', async () => {
    const { consume, fleets } = prepare();

    await consume(
      record([
        instanceEvent({ state: 'READY', at: at(5), slots: 2, expiresAt: at(900) }),
        instanceEvent({ state: 'BOOTING', at: at(1) }),
      ]),
    );

    const { instances } = await fleets.read('default');
    expect(instances).toMatchObject([
      { instanceId: 'i-1', state: 'READY', readyAt: at(5), slots: 2, expiresAt: at(900) },
    ]);
  });

  it('come back when they could not be written, and only they do', async () => {
    const { consume, fleets, row } = prepare();
    fleets.updateInstance = unavailable;
    const machine = record([instanceEvent()]);
    const task = record([startedEvent()]);

    const { failed } = await consume(machine, task);

    expect([...failed.keys()]).toEqual([machine.messageId]);
    expect(row()?.status).toBe('RUNNING');
  });
});

describe('a batch with several jobs', () => {
  it('returns only the records of the one that fails', async () => {
    const { consume, addJob, tasks, row, counters } = prepare();
    addJob({ jobId: OTHER });
    const commit = tasks.commit.bind(tasks);
    tasks.commit = async (jobId: string, writes: readonly TaskWrite[], delta: Counters) =>
      jobId === OTHER ? unavailable() : commit(jobId, writes, delta);
    const bad = record([startedEvent({ jobId: OTHER, taskId: taskIdFactory(0, OTHER) })]);
    const good = record([startedEvent()]);

    const { failed } = await consume(bad, good);

    expect([...failed.keys()]).toEqual([bad.messageId]);
    expect([row()?.status, row(0, OTHER)]).toEqual(['RUNNING', undefined]);
    expect(counters()?.running).toBe(1);
  });

  it('returns a record that speaks of both, and counts nothing twice when it comes again', async () => {
    const { consume, addJob, jobs, counters } = prepare();
    addJob({ jobId: OTHER });
    const progress = jobs.progress.bind(jobs);
    jobs.progress = async (jobId) => (jobId === OTHER ? unavailable() : progress(jobId));
    const both = record([completedEvent(), completedEvent({ jobId: OTHER, taskId: taskIdFactory(0, OTHER) })]);
    expect((await consume(both)).failed.size).toBe(1);
    jobs.progress = progress;

    expect((await consume(again(both))).failed.size).toBe(0);

    expect([counters()?.completed, counters(OTHER)?.completed]).toEqual([1, 1]);
  });

  it('that is empty does nothing', async () => {
    const { consume } = prepare();

    expect(await consume()).toEqual({ failed: new Map(), applied: [], malformed: [] });
  });
});

describe('a report that no store takes', () => {
  /** As DynamoDB refuses a row that is too large: for good, and with the whole transaction. */
  function refusing(world: ReturnType<typeof prepare>, taskId: string) {
    const { tasks } = world.ports;
    const commit = async (jobId: string, writes: readonly TaskWrite[], delta: Counters | null) => {
      if (writes.some(({ task }) => task.taskId === taskId)) throw new PermanentError('the item is too large');
      return tasks.commit(jobId, writes, delta);
    };
    return { ...world.ports, tasks: Object.assign(Object.create(tasks), { commit }) };
  }

  it('comes back alone: its neighbours of the same job are applied (lesson 4)', async () => {
    const world = prepare({ taskCount: 10 });
    const bad = record([completedEvent({ taskId: taskIdFactory(5) })]);
    const good = [0, 1, 2].map((index) => record([completedEvent({ taskId: taskIdFactory(index) })]));

    const { failed, applied } = await consumeStatus([...good, bad], refusing(world, taskIdFactory(5)));

    expect([...failed.keys()]).toEqual([bad.messageId]);
    expect(applied).toHaveLength(3);
    expect(world.counters()).toMatchObject({ completed: 3 });
  });

  it('is not looked for where the trouble will pass: all of it comes back', async () => {
    const world = prepare();
    const tasks = Object.assign(Object.create(world.ports.tasks), { commit: unavailable });

    const { failed } = await consumeStatus([record([completedEvent()]), record([startedEvent()])], {
      ...world.ports,
      tasks,
    });

    expect(failed.size).toBe(2);
  });

  it('because it speaks of an attempt that was never made is kept with that reason at its last try', async () => {
    const { consume, deadLetters, row } = prepare();
    const early = record([completedEvent({ attempt: 7 }), startedEvent({ taskId: taskIdFactory(1) })]);

    const first = await consume(early);
    const last = await consume({ ...early, receiveCount: 9 });

    expect([first.failed.size, last.failed.size]).toEqual([1, 0]);
    expect(deadLetters.letters).toMatchObject([
      { reason: 'speaks of an attempt that is not known yet', source: 'status' },
    ]);
    expect(row(1)?.status).toBe('RUNNING');
  });

  it.each([
    ['lease', { leaseId: 'x'.repeat(201) }, 'leaseId'],
    ['machine', { instanceId: 'x'.repeat(201) }, 'instanceId'],
    ['result', { result: { json: 'x'.repeat(20_000) } }, 'result'],
  ])('because its %s is longer than any row should hold is kept with the reason at once', async (_what, odd, path) => {
    const { consume, deadLetters } = prepare();

    const { failed } = await consume(record([completedEvent(odd), startedEvent({ taskId: taskIdFactory(1) })]));

    expect(failed.size).toBe(0);
    expect(deadLetters.letters.map(({ reason }) => reason.split(':')[0])).toEqual([expect.stringContaining(path)]);
  });

  it('loses only the end of a text that is too long', async () => {
    const { consume, row } = prepare();

    await consume(
      record([failedEvent({ failure: failureFactory({ code: 'command-not-found', message: 'x'.repeat(500_000) }) })]),
    );

    expect(row()?.failure?.message).toBe('x'.repeat(4_000));
  });
});
