import { describe, expect, it } from 'vitest';
import { toAsciiJson } from '../../core/ascii-json.ts';
import { TransientError } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import type { TaskMessage } from '../../core/messages.ts';
import { POISON_LOSSES } from '../../core/retry-policy.ts';
import type { TaskRecord } from '../../core/task.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { taskMessageFactory } from '../../test/factories/task-message.ts';
import { taskRecordFactory } from '../../test/factories/task-record.ts';
import { InMemoryDeadLetterChannel } from '../../test/fakes/in-memory-dead-letter-channel.ts';
import { accountingWorld, TOKEN } from '../accounting/testing/accounting-world.ts';
import type { QueueRecord } from '../queue-batch.ts';
import { type JudgePorts, judgeDeadLetters } from './judge-dead-letters.ts';

function prepare(rows: readonly TaskRecord[] = [], overrides: Partial<Job> = {}) {
  const world = accountingWorld();
  world.addJob(overrides, rows);
  const ports = { ...world.ports, deadLetters: new InMemoryDeadLetterChannel() } satisfies JudgePorts;
  return {
    ...world,
    ...ports,
    ports,
    sent: async () => (await world.sent()).map(({ taskId, attempt }) => ({ taskId, attempt })),
  };
}

const letter = (message: Partial<TaskMessage> = {}, overrides: Partial<QueueRecord> = {}): QueueRecord => {
  const body = toAsciiJson(taskMessageFactory(message));
  return { messageId: `m-${message.taskId ?? 'first'}`, body, receiveCount: 1, ...overrides };
};
const killer = (overrides: Partial<TaskRecord> = {}) =>
  taskRecordFactory({ receiveCount: 6, lostLeases: POISON_LOSSES - 1, ...overrides });

describe('a task whose message came too often', () => {
  it('but that never started is sent again: its machines are to blame', async () => {
    const { ports, sent, row, deadLetters } = prepare();

    const { failed, sentAgain, kept } = await judgeDeadLetters([letter()], ports);

    expect({ failed: failed.size, sentAgain, kept }).toEqual({ failed: 0, sentAgain: 1, kept: [] });
    expect(await sent()).toEqual([{ taskId: taskIdFactory(), attempt: 1 }]);
    expect(row()).toBeUndefined();
    expect(deadLetters.letters).toEqual([]);
  });

  it('and that waits for its backoff is sent no sooner than it is due', async () => {
    const waiting = taskRecordFactory({ status: 'PENDING', attempt: 2, leaseId: null, dueAt: at(660) });
    const { ports, sent, delayed } = prepare([waiting]);

    await judgeDeadLetters([letter({ attempt: 2 })], ports);

    expect(await sent()).toEqual([]);
    expect(delayed.queue.depth()).toMatchObject({ delayed: 1 });
  });

  it('and that was lost seldom waits again and is sent', async () => {
    const { ports, sent, row, counters } = prepare([killer({ lostLeases: 1 })]);

    await judgeDeadLetters([letter()], ports);

    expect(row()).toMatchObject({ status: 'PENDING', attempt: 1, lostLeases: 2, chargedAttempts: 0 });
    expect(counters()).toMatchObject({ running: 0, failed: 0 });
    expect(await sent()).toEqual([{ taskId: taskIdFactory(), attempt: 1 }]);
  });

  it('and that was lost often is poison: it ends, its job hears of it, and its message is kept', async () => {
    const { ports, sent, row, counters, deadLetters, machine } = prepare([killer()], { taskCount: 1 });
    const record = letter();

    const { failed, kept } = await judgeDeadLetters([record], ports);

    expect(row()).toMatchObject({ status: 'FAILED', failure: { code: 'poison' }, chargedAttempts: 0 });
    expect(counters()).toMatchObject({ running: 0, failed: 1 });
    expect(deadLetters.letters).toEqual([
      { body: record.body, reason: 'the task killed its machines', source: 'tasks' },
    ]);
    expect({ failed: failed.size, kept: kept.length, sent: await sent() }).toEqual({ failed: 0, kept: 1, sent: [] });
    expect(machine.answers.get(TOKEN)).toBe('settled');
  });

  it('keeps its message although the judge died between the verdict and the evidence', async () => {
    const { ports, deadLetters, counters } = prepare([killer()]);
    const dying = { put: () => Promise.reject(new TransientError('no answer')) };
    const record = letter();

    const first = await judgeDeadLetters([record], { ...ports, deadLetters: dying });
    const second = await judgeDeadLetters([{ ...record, receiveCount: 2 }], ports);

    expect([...first.failed.keys()]).toEqual([record.messageId]);
    expect(second.failed.size).toBe(0);
    expect(deadLetters.letters).toHaveLength(1);
    expect(counters()).toMatchObject({ failed: 1 });
  });

  it('is sent although the judge died between recording the loss and sending', async () => {
    const { ports, sent, row } = prepare([killer({ lostLeases: 0 })]);
    const queues: JudgePorts['queues'] = (fleet, priority) =>
      Object.assign(Object.create(ports.queues(fleet, priority)), {
        send: () => Promise.reject(new TransientError('no answer')),
      });

    const first = await judgeDeadLetters([letter()], { ...ports, queues });
    const second = await judgeDeadLetters([letter({}, { receiveCount: 2 })], ports);

    expect([first.failed.size, second.failed.size]).toEqual([1, 0]);
    expect(row()).toMatchObject({ status: 'PENDING', lostLeases: 1 });
    expect(await sent()).toHaveLength(1);
  });

  it.each(['COMPLETED', 'FAILED', 'CANCELLED'] as const)('and that is %s is left alone', async (status) => {
    const ended = killer({ status });
    const { ports, sent, row, deadLetters } = prepare([ended]);

    const { failed } = await judgeDeadLetters([letter()], ports);

    expect(failed.size).toBe(0);
    expect(row()).toEqual(ended);
    expect([await sent(), deadLetters.letters]).toEqual([[], []]);
  });

  it('of an attempt that is over is left alone', async () => {
    const { ports, sent } = prepare([taskRecordFactory({ attempt: 2 })]);

    expect((await judgeDeadLetters([letter()], ports)).failed.size).toBe(0);
    expect(await sent()).toEqual([]);
  });
});

describe('what is no task of ours', () => {
  it.each([
    ['not JSON', 'not json', 'the body is not JSON'],
    ['no task message', '{"v":1}', expect.stringMatching(/jobId: /)],
    ['of another job than it says', letter({ jobId: jobIdFactory(2) }).body, 'taskId is not one of jobId'],
    [
      'of a job that nobody knows',
      letter({ jobId: jobIdFactory(2), taskId: taskIdFactory(0, jobIdFactory(2)) }).body,
      'there is no such task',
    ],
    ['past the last task of its job', letter({ taskId: taskIdFactory(3) }).body, 'there is no such task'],
    ['for a fleet that cannot be', letter({ fleet: '../status' }).body, expect.stringMatching(/^fleet: /)],
  ])('because it is %s is kept with the reason, and its neighbours go on (lesson 4)', async (_what, body, reason) => {
    const { ports, sent, deadLetters, row } = prepare();

    const { failed, kept } = await judgeDeadLetters([{ messageId: 'bad', body, receiveCount: 1 }, letter()], ports);

    expect(failed.size).toBe(0);
    expect(kept).toEqual([{ messageId: 'bad', reason }]);
    expect(deadLetters.letters).toEqual([{ body, reason, source: 'tasks' }]);
    expect(await sent()).toHaveLength(1);
    expect(row(3)).toBeUndefined();
  });

  it('is not counted in a job that is being cancelled either', async () => {
    const { ports, counters, deadLetters } = prepare([], { status: 'CANCELLING' });

    await judgeDeadLetters([letter({ taskId: taskIdFactory(3) }), letter()], ports);

    expect(counters()).toMatchObject({ cancelled: 1 });
    expect(deadLetters.letters).toHaveLength(1);
  });

  it('because its attempt was never made comes back for a while, then it is kept', async () => {
    const { ports, deadLetters } = prepare();
    const early = letter({ attempt: 7 });

    const first = await judgeDeadLetters([early], ports);
    const last = await judgeDeadLetters([{ ...early, receiveCount: 9 }], ports);

    expect([[...first.failed.keys()], last.failed.size]).toEqual([[early.messageId], 0]);
    expect(deadLetters.letters).toMatchObject([{ reason: 'speaks of an attempt that is not known' }]);
  });

  it('comes back when it cannot be kept: nothing is thrown away', async () => {
    const { ports, sent } = prepare();
    const deadLetters = { put: () => Promise.reject(new TransientError('no answer')) };

    const { failed } = await judgeDeadLetters([{ messageId: 'bad', body: 'not json', receiveCount: 1 }, letter()], {
      ...ports,
      deadLetters,
    });

    expect([...failed.keys()]).toEqual(['bad']);
    expect(await sent()).toHaveLength(1);
  });
});

describe('one job that cannot be judged', () => {
  it('does not keep the others from it', async () => {
    const other = jobIdFactory(2);
    const { ports, sent } = prepare();
    const progress = (jobId: string) =>
      jobId === other ? Promise.reject(new TransientError('no answer')) : ports.jobs.progress(jobId);
    const jobs = Object.assign(Object.create(ports.jobs), { progress });
    const theirs = letter({ jobId: other, taskId: taskIdFactory(0, other) });

    const { failed } = await judgeDeadLetters([theirs, letter()], { ...ports, jobs });

    expect([...failed.keys()]).toEqual([theirs.messageId]);
    expect(await sent()).toHaveLength(1);
  });
});
