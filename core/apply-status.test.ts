import { describe, expect, it } from 'vitest';
import { completedEvent, failedEvent, releasedEvent, startedEvent } from '../test/factories/events.ts';
import { taskIdFactory } from '../test/factories/ids.ts';
import { at } from '../test/factories/manual-clock.ts';
import { cancelRequest, deadLetteredReport, lostReport } from '../test/factories/reports.ts';
import { failureFactory, taskRecordFactory } from '../test/factories/task-record.ts';
import { applyStatus } from './apply-status.ts';
import { addCounters, zeroCounters } from './counters.ts';
import { MAX_ATTEMPT_SECONDS } from './messages.ts';
import { MAX_UNCHARGED_ATTEMPTS, POISON_LOSSES } from './retry-policy.ts';
import { isTerminal, type TaskRecord, taskRecordSchema, untouchedTask } from './task.ts';
import type { TaskReport } from './task-report.ts';
import type { JobRules, NextAttempt, ReportContext, Transition } from './transition.ts';

const rules: JobRules = {
  retry: { maxAttempts: 3, backoffSeconds: 10, retryOnExitCodes: [75], retryOnTimeout: false },
  cancelling: false,
  closed: false,
};
const context = (random: number): ReportContext => ({
  now: new Date(at(60)),
  random,
  usdPerSecond: () => null,
});
/** Seconds from now until an attempt is due. */
const secondsUntil = (send: NextAttempt | null): number =>
  send?.dueAt ? (Date.parse(send.dueAt) - Date.parse(at(60))) / 1_000 : 0;
const apply = (task: TaskRecord | undefined, event: TaskReport, job: Partial<JobRules> = {}, random = 0) =>
  applyStatus(task, event, { ...rules, ...job }, context(random));

/** The row after a report that must be applied. */
function applied(transition: Transition): Extract<Transition, { kind: 'applied' }> {
  if (transition.kind !== 'applied') throw new Error(`not applied: ${JSON.stringify(transition)}`);
  return transition;
}
const pending = (overrides: Partial<TaskRecord> = {}): TaskRecord =>
  taskRecordFactory({
    status: 'PENDING',
    attempt: 2,
    leaseId: null,
    receiveCount: 0,
    instanceId: null,
    startedAt: null,
    causedByLeaseId: 'lease-1',
    ...overrides,
  });

describe('a task without a row', () => {
  it('is PENDING at attempt 1: its first start creates the row', () => {
    const { task, delta, send } = applied(apply(undefined, startedEvent()));

    expect(task).toEqual(taskRecordFactory({ updatedAt: at(60) }));
    expect(delta).toEqual({ ...zeroCounters, running: 1 });
    expect(send).toBeNull();
  });

  it('may complete without ever having been seen to start: short tasks send one event', () => {
    const { task, delta } = applied(apply(undefined, completedEvent({ at: at(15), seconds: 5 })));

    expect(task).toMatchObject({ status: 'COMPLETED', attempt: 1, startedAt: at(10), finishedAt: at(15), version: 1 });
    expect(delta).toEqual({ ...zeroCounters, completed: 1, completedSeconds: 5 });
  });

  it('of a closed job takes no report', () => {
    const kinds = [startedEvent(), completedEvent(), failedEvent(), releasedEvent()];

    expect(kinds.map((event) => apply(undefined, event, { closed: true }).kind)).toEqual(kinds.map(() => 'stale'));
  });

  it('must be named by a task id', () => {
    expect(() => apply(undefined, startedEvent({ taskId: 'nonsense' }))).toThrow(RangeError);
    expect(untouchedTask({ taskId: taskIdFactory(7) })).toMatchObject({ index: 7, attempt: 1 });
  });
});

describe('started', () => {
  it('makes the waiting current attempt run', () => {
    const { task, delta } = applied(apply(pending(), startedEvent({ attempt: 2, leaseId: 'lease-2' })));

    expect(task).toMatchObject({ status: 'RUNNING', attempt: 2, leaseId: 'lease-2', version: 2 });
    expect(delta.running).toBe(1);
  });

  it('of a newer delivery only moves the lease: the task is counted once', () => {
    const { task, delta } = applied(
      apply(taskRecordFactory(), startedEvent({ leaseId: 'lease-2', instanceId: 'i-2', receiveCount: 2 })),
    );

    expect(task).toMatchObject({ status: 'RUNNING', leaseId: 'lease-2', instanceId: 'i-2', receiveCount: 2 });
    expect(delta).toEqual(zeroCounters);
  });

  it('of another copy of the message moves the lease too: an attempt may have been sent twice', () => {
    const { task } = applied(apply(taskRecordFactory(), startedEvent({ leaseId: 'lease-2', receiveCount: 1 })));

    expect(task).toMatchObject({ status: 'RUNNING', attempt: 1, leaseId: 'lease-2' });
  });

  it.each([
    ['of an older delivery', taskRecordFactory({ leaseId: 'lease-2', receiveCount: 2 }), startedEvent()],
    ['of an attempt that is over', pending(), startedEvent({ attempt: 1 })],
  ])('%s is stale', (_what, task, event) => {
    expect(apply(task, event).kind).toBe('stale');
  });

  it('that is known already is a duplicate', () => {
    expect(apply(taskRecordFactory(), startedEvent()).kind).toBe('duplicate');
  });
});

describe('completed', () => {
  it('ends the task with its result', () => {
    const { task, delta } = applied(apply(taskRecordFactory(), completedEvent({ seconds: 5 })));

    expect(task).toMatchObject({ status: 'COMPLETED', result: { json: '{"words":6}' }, finishedAt: at(15) });
    expect(task.attempts).toMatchObject([{ attempt: 1, outcome: 'completed', leaseId: 'lease-1' }]);
    expect(delta).toEqual({ ...zeroCounters, running: -1, completed: 1, completedSeconds: 5 });
  });

  it('wins even from an earlier attempt: the work is done', () => {
    const { task } = applied(apply(pending(), completedEvent({ attempt: 1 })));

    expect(task).toMatchObject({ status: 'COMPLETED', leaseId: 'lease-1' });
  });

  it('counts in a job that is being cancelled', () => {
    expect(applied(apply(taskRecordFactory(), completedEvent(), { cancelling: true })).task.status).toBe('COMPLETED');
  });
});

describe('failed', () => {
  it('with attempts left makes the next attempt, to be sent after a backoff', () => {
    const { task, delta, send } = applied(apply(taskRecordFactory(), failedEvent(), {}, 0.999));

    expect(task).toMatchObject({
      status: 'PENDING',
      attempt: 2,
      chargedAttempts: 1,
      unchargedAttempts: 0,
      causedByLeaseId: 'lease-1',
      leaseId: null,
      startedAt: null,
      attempts: [{ outcome: 'failed', charged: true, exitCode: 75, seconds: 5 }],
    });
    expect(delta).toEqual({ ...zeroCounters, running: -1, lostSeconds: 5 });
    expect(send).toEqual({ taskId: task.taskId, attempt: 2, dueAt: at(70), checkpoint: null });
  });

  it('of the last attempt ends the task with its failure', () => {
    const { task, send } = applied(
      apply(taskRecordFactory({ attempt: 3, chargedAttempts: 2 }), failedEvent({ attempt: 3 })),
    );

    expect(task).toMatchObject({ status: 'FAILED', failure: { code: 'exit', exitCode: 75 }, chargedAttempts: 3 });
    expect(send).toBeNull();
  });

  it('for good ends the task at once', () => {
    const event = failedEvent({ failure: failureFactory({ code: 'command-not-found' }) });

    expect(applied(apply(undefined, event)).task).toMatchObject({ status: 'FAILED', attempt: 1, startedAt: at(10) });
  });

  it('from an earlier attempt is stale (lesson 2)', () => {
    expect(apply(pending({ causedByLeaseId: 'lease-9' }), failedEvent({ attempt: 1 })).kind).toBe('stale');
  });

  it('in a job that is being cancelled ends the task as CANCELLED', () => {
    const { task, delta, send } = applied(apply(taskRecordFactory(), failedEvent(), { cancelling: true }));

    expect(task).toMatchObject({ status: 'CANCELLED', failure: null, attempts: [{ outcome: 'cancelled' }] });
    expect(delta).toEqual({ ...zeroCounters, running: -1, cancelled: 1 });
    expect(send).toBeNull();
  });
});

describe('released', () => {
  it('makes the next attempt at once, and is never charged', () => {
    const { task, send } = applied(apply(taskRecordFactory(), releasedEvent()));

    expect(task).toMatchObject({ status: 'PENDING', attempt: 2, chargedAttempts: 0, unchargedAttempts: 1 });
    expect(send).toMatchObject({ attempt: 2, dueAt: null });
  });

  it('because of a bad machine waits a little longer each time, at most 30 s', () => {
    const delays = [0, 1, 2, 3, 4, 5, 18].map((unchargedAttempts) =>
      secondsUntil(applied(apply(taskRecordFactory({ unchargedAttempts }), releasedEvent({ cause: 'machine' }))).send),
    );

    expect(delays).toEqual([2, 4, 8, 16, 30, 30, 30]);
  });

  it('for the 20th time ends the task', () => {
    let task: TaskRecord | undefined;
    let releases = 0;
    while (!task || !isTerminal(task.status)) {
      const attempt: number = task?.attempt ?? 1;
      task = applied(apply(task, releasedEvent({ attempt, leaseId: `lease-${attempt}` }))).task;
      releases += 1;
    }

    expect(releases).toBe(MAX_UNCHARGED_ATTEMPTS);
    expect(task).toMatchObject({ status: 'FAILED', failure: { code: 'released-too-often' }, chargedAttempts: 0 });
  });

  it('in a job that is being cancelled ends the task as CANCELLED', () => {
    expect(applied(apply(undefined, releasedEvent(), { cancelling: true })).task.status).toBe('CANCELLED');
  });
});

describe('lost', () => {
  const running = taskRecordFactory({ receiptHandle: 'handle', receiveCount: 2 });

  it('takes the lease from a running task and leaves its attempt, uncharged, with what the loss cost', () => {
    const { task, delta, send } = applied(apply(running, lostReport({ at: at(40) })));

    expect(task).toMatchObject({
      status: 'PENDING',
      attempt: 1,
      leaseId: null,
      instanceId: null,
      receiptHandle: null,
      startedAt: null,
      lostLeases: 1,
      chargedAttempts: 0,
      unchargedAttempts: 1,
      attempts: [{ attempt: 1, leaseId: 'lease-1', outcome: 'lost', charged: false, seconds: 30 }],
    });
    expect(delta).toEqual({ ...zeroCounters, running: -1, lostSeconds: 30 });
    expect(send).toBeNull();
  });

  it('lets any delivery run the task next, also the first one of a message that took the place of the lost one', () => {
    const waiting = applied(apply(running, lostReport())).task;

    const { task } = applied(apply(waiting, startedEvent({ leaseId: 'lease-2', receiveCount: 1 })));

    expect(task).toMatchObject({ status: 'RUNNING', leaseId: 'lease-2', receiveCount: 1 });
  });

  it('does not silence a machine that was only slow: its outcome counts', () => {
    const waiting = applied(apply(running, lostReport())).task;

    expect(applied(apply(waiting, completedEvent())).task.status).toBe('COMPLETED');
    expect(applied(apply(waiting, failedEvent())).task).toMatchObject({ status: 'PENDING', attempt: 2 });
  });

  it('of a lease that runs nothing any more is stale, and kept as evidence', () => {
    const moved = taskRecordFactory({ leaseId: 'lease-2', receiveCount: 2 });

    expect(apply(moved, lostReport())).toMatchObject({
      kind: 'stale',
      task: { status: 'RUNNING', staleReports: [{ kind: 'lost', leaseId: 'lease-1' }] },
    });
  });

  it('for the 20th time ends the task', () => {
    const { task, send } = applied(
      apply(taskRecordFactory({ unchargedAttempts: MAX_UNCHARGED_ATTEMPTS - 1 }), lostReport()),
    );

    expect(task).toMatchObject({ status: 'FAILED', failure: { code: 'released-too-often' } });
    expect(send).toBeNull();
  });

  it.each([
    ['in a job that is being cancelled', taskRecordFactory(), { cancelling: true }],
    ['of a task whose end was asked for', taskRecordFactory({ cancelRequested: true }), {}],
  ])('%s ends the task as CANCELLED', (_what, task, job) => {
    expect(applied(apply(task, lostReport(), job)).task).toMatchObject({ status: 'CANCELLED', failure: null });
  });

  it('is also what a newer delivery tells of the lease before it', () => {
    const { task, delta } = applied(
      apply(taskRecordFactory(), startedEvent({ leaseId: 'lease-2', receiveCount: 2, at: at(70) })),
    );

    expect(task).toMatchObject({ lostLeases: 1, unchargedAttempts: 1, attempts: [{ outcome: 'lost', seconds: 60 }] });
    expect(delta).toEqual({ ...zeroCounters, lostSeconds: 60 });
  });
});

describe('a lease that was thought lost', () => {
  const priced = { usdPerSecond: () => 0.001 };
  const lose = () =>
    applied(applyStatus(taskRecordFactory(), lostReport({ at: at(40) }), rules, { ...context(0), ...priced }));

  it.each([
    ['completes', completedEvent({ at: at(39), seconds: 29 }), 0, { completedSeconds: 29, lostSeconds: 0, lostUsd: 0 }],
    [
      'is given back',
      releasedEvent({ at: at(39), seconds: 29 }),
      1,
      { completedSeconds: 0, lostSeconds: 29, lostUsd: 0.029 },
    ],
  ])('and %s after all was not: it is in the history once, and paid once', (_how, event, uncharged, sums) => {
    const lost = lose();
    const found = applied(applyStatus(lost.task, event, rules, { ...context(0), ...priced }));

    expect(found.task.attempts).toMatchObject([{ leaseId: 'lease-1', seconds: 29, costUsd: 0.029 }]);
    expect(found.task).toMatchObject({ unchargedAttempts: uncharged, lostLeases: 0 });
    const { costUsd, lostUsd, lostSeconds, completedSeconds } = addCounters(lost.delta, found.delta);
    const rounded = Math.round(lostUsd * 1e9) / 1e9;
    expect({ completedSeconds, lostSeconds, lostUsd: rounded }).toEqual(sums);
    expect(costUsd).toBeCloseTo(0.029, 9);
  });
});

describe('dead-lettered', () => {
  it('sends a task again that was never started, and changes nothing', () => {
    expect(apply(undefined, deadLetteredReport())).toEqual({
      kind: 'resend',
      send: { taskId: taskIdFactory(), attempt: 1, dueAt: null, checkpoint: null },
    });
  });

  it('sends it again no sooner than it is due, and with its checkpoint', () => {
    const row = pending({ dueAt: at(600), checkpoint: { blob: 'checkpoints/1', bytes: 9 } });

    expect(apply(row, deadLetteredReport({ attempt: 2 }))).toMatchObject({
      kind: 'resend',
      send: { attempt: 2, dueAt: at(600), checkpoint: 'checkpoints/1' },
    });
  });

  it('of a task that seemed to run takes the lease from it and sends it again: the new message counts from 1', () => {
    const row = taskRecordFactory({ leaseId: 'lease-6', receiveCount: 6, lostLeases: 1 });

    const { task, delta, send } = applied(apply(row, deadLetteredReport()));
    const next = failedEvent({ leaseId: 'lease-7', receiveCount: 1 });

    expect(task).toMatchObject({ status: 'PENDING', attempt: 1, receiveCount: 0, lostLeases: 2 });
    expect(delta).toEqual({ ...zeroCounters, running: -1, lostSeconds: 30 });
    expect(send).toMatchObject({ attempt: 1 });
    expect(apply(task, deadLetteredReport())).toMatchObject({ kind: 'resend', send: { attempt: 1 } });
    expect(applied(apply(task, next)).task).toMatchObject({ attempt: 2, causedByLeaseId: 'lease-7' });
  });

  it.each([
    ['while the last of them runs', taskRecordFactory({ lostLeases: POISON_LOSSES - 1 })],
    ['and waits again', taskRecordFactory({ status: 'PENDING', leaseId: null, lostLeases: POISON_LOSSES })],
  ])('ends a task as poison that lost its leases too often in one attempt, %s', (_what, row) => {
    const { task, send } = applied(apply(row, deadLetteredReport()));

    expect(task).toMatchObject({ status: 'FAILED', failure: { code: 'poison' }, chargedAttempts: 0 });
    expect(task.failure?.message).toContain(`${POISON_LOSSES} machines`);
    expect(send).toBeNull();
  });

  it('for the 20th uncharged time ends the task', () => {
    const row = taskRecordFactory({ unchargedAttempts: MAX_UNCHARGED_ATTEMPTS - 1 });

    expect(applied(apply(row, deadLetteredReport())).task).toMatchObject({
      status: 'FAILED',
      failure: { code: 'released-too-often' },
    });
  });

  it('in a job that is being cancelled ends the task as CANCELLED', () => {
    expect(applied(apply(undefined, deadLetteredReport(), { cancelling: true })).task.status).toBe('CANCELLED');
  });
});

describe('cancel-requested', () => {
  it('ends a task that waits, also one without a row, and sends nothing of it again', () => {
    const { task, delta } = applied(apply(undefined, cancelRequest()));

    expect(task).toMatchObject({ status: 'CANCELLED', cancelRequested: true, finishedAt: at(40), version: 1 });
    expect(delta).toEqual({ ...zeroCounters, cancelled: 1 });
    const waiting = applied(apply(pending(), cancelRequest())).task;
    expect(apply(waiting, failedEvent()).kind).toBe('duplicate');
  });

  it('marks a running one, once: its agent is told elsewhere, and any setback ends it', () => {
    const { task, delta } = applied(apply(taskRecordFactory(), cancelRequest()));

    expect(task).toMatchObject({ status: 'RUNNING', cancelRequested: true });
    expect(delta).toEqual(zeroCounters);
    expect(apply(task, cancelRequest()).kind).toBe('duplicate');
    expect(applied(apply(task, releasedEvent({ cause: 'cancelled' }))).task.status).toBe('CANCELLED');
    expect(applied(apply(task, completedEvent())).task.status).toBe('COMPLETED');
  });

  it('comes too late for a task that has ended, and for a closed job', () => {
    expect(apply(taskRecordFactory({ status: 'COMPLETED' }), cancelRequest())).toMatchObject({
      kind: 'stale',
      task: null,
    });
    expect(apply(undefined, cancelRequest(), { closed: true })).toMatchObject({ kind: 'stale', task: null });
  });
});

describe('a checkpoint', () => {
  const checkpoint = { blob: 'checkpoints/1', bytes: 9 };

  it('goes with the next attempt, and what it kept is no loss', () => {
    const { task, delta, send } = applied(apply(taskRecordFactory(), releasedEvent({ checkpoint })));

    expect(task.checkpoint).toEqual(checkpoint);
    expect(send?.checkpoint).toBe('checkpoints/1');
    expect(delta.lostSeconds).toBe(0);
  });

  it('stays until there is a newer one or the task ends', () => {
    const row = taskRecordFactory({ checkpoint });

    expect(applied(apply(row, failedEvent())).send?.checkpoint).toBe('checkpoints/1');
    expect(applied(apply(row, completedEvent())).task.checkpoint).toBeNull();
  });
});

describe('the cost of an attempt', () => {
  const priced: ReportContext = { ...context(0), usdPerSecond: (machine) => (machine === 'i-1' ? 0.001 : null) };
  const price = (task: TaskRecord | undefined, report: TaskReport) => applied(applyStatus(task, report, rules, priced));

  it('is counted when the attempt ends, and as a loss when it brought nothing', () => {
    const completed = price(undefined, completedEvent({ seconds: 5 }));
    const failed = price(undefined, failedEvent({ seconds: 7 }));
    const lost = price(taskRecordFactory(), lostReport({ at: at(20) }));

    expect(completed.task.attempts).toMatchObject([{ costUsd: 0.005 }]);
    expect(completed.delta).toMatchObject({ costUsd: 0.005, lostUsd: 0 });
    expect(failed.delta).toMatchObject({ costUsd: 0.007, lostUsd: 0.007, lostSeconds: 7 });
    expect(lost.delta).toMatchObject({ costUsd: 0.01, lostUsd: 0.01, lostSeconds: 10 });
  });

  it('is not known, rather than nothing, on a machine without a price', () => {
    const { task, delta } = price(undefined, completedEvent({ instanceId: 'stranger' }));

    expect(task.attempts[0]).not.toHaveProperty('costUsd');
    expect(delta.costUsd).toBe(0);
  });
});

describe('the start of an attempt', () => {
  it('that is told by its end stays a time that can be written down, whatever the clock of the machine says', () => {
    const { task } = applied(apply(undefined, completedEvent({ at: '0000-01-01T00:00:00Z', seconds: 86_400 })));

    expect(taskRecordSchema.safeParse(task).error).toBeUndefined();
  });

  it('that is claimed to lie in the far past loses no more than an attempt can have taken', () => {
    const row = applied(apply(undefined, startedEvent({ at: '0000-01-01T00:00:00Z' }))).task;

    expect(applied(apply(row, lostReport())).delta.lostSeconds).toBe(MAX_ATTEMPT_SECONDS);
  });
});

describe('a stale report', () => {
  const ended = taskRecordFactory({ status: 'COMPLETED', leaseId: 'winner' });

  it('is kept on the task, once, with who brought it and why it does not count', () => {
    const zombie = completedEvent({ leaseId: 'zombie', instanceId: 'i-9' });
    const first = apply(ended, zombie);
    if (first.kind !== 'stale' || !first.task) throw new Error(`not kept: ${JSON.stringify(first)}`);

    expect(first.task).toMatchObject({
      ...ended,
      staleReports: first.task.staleReports,
      updatedAt: at(60),
      version: 2,
    });
    expect(first.task.staleReports).toEqual([
      {
        kind: 'completed',
        attempt: 1,
        leaseId: 'zombie',
        instanceId: 'i-9',
        at: at(15),
        reason: 'the task is COMPLETED already',
      },
    ]);
    expect(apply(first.task, zombie)).toMatchObject({ kind: 'stale', task: null });
  });

  it('is not kept when ten are there already', () => {
    let row: TaskRecord = ended;
    for (let n = 0; n < 15; n += 1) {
      const transition = apply(row, completedEvent({ leaseId: `zombie-${n}` }));
      if (transition.kind === 'stale') row = transition.task ?? row;
    }

    expect(row.staleReports.map(({ leaseId }) => leaseId)).toEqual(Array.from({ length: 10 }, (_, n) => `zombie-${n}`));
  });
});

describe('a report', () => {
  it.each(['COMPLETED', 'FAILED', 'CANCELLED'] as const)(
    'on a %s task is stale, whatever it says (lesson 3)',
    (status) => {
      const task = taskRecordFactory({ status, leaseId: 'another' });
      const events = [startedEvent(), completedEvent(), failedEvent(), releasedEvent()];
      const attempts = [1, 2];

      const kinds = attempts.flatMap((attempt) => events.map((event) => apply(task, { ...event, attempt }).kind));

      expect(new Set(kinds)).toEqual(new Set(['stale']));
    },
  );

  it('above the row’s attempt is returned, never dropped', () => {
    const events = [startedEvent(), completedEvent(), failedEvent(), releasedEvent()];

    const kinds = events.flatMap((event) =>
      [undefined, taskRecordFactory(), pending({ attempt: 1, causedByLeaseId: null })].map(
        (task) => apply(task, { ...event, attempt: 2 }).kind,
      ),
    );

    expect(new Set(kinds)).toEqual(new Set(['returned']));
  });
});
