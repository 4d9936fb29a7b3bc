import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { completedEvent, failedEvent, releasedEvent, startedEvent } from '../test/factories/events.ts';
import { taskIdFactory } from '../test/factories/ids.ts';
import { at } from '../test/factories/manual-clock.ts';
import { failureFactory, taskRecordFactory } from '../test/factories/task-record.ts';
import {
  applyStatus,
  type JobRules,
  type NextAttempt,
  type ReportContext,
  type Transition,
  untouchedTask,
} from './apply-status.ts';
import { addCounters, type Counters, deltaOf, zeroCounters } from './counters.ts';
import type { TaskEvent } from './messages.ts';
import { MAX_UNCHARGED_ATTEMPTS } from './retry-policy.ts';
import { isTerminal, type TaskRecord, taskRecordSchema } from './task.ts';
import type { TaskReport } from './task-report.ts';

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

// ── The promises, over any history ──────────────────────────────────────────────────────────────────────────────────

/** One report, its attempt relative to what the row knows when it arrives: one ahead, current, or behind. */
interface Report {
  readonly kind: TaskEvent['kind'];
  readonly behind: number;
  readonly lease: number;
  readonly receiveCount: number;
  readonly task: number;
  readonly permanent: boolean;
}
const TASKS = 3;
const anyReport: fc.Arbitrary<Report> = fc.record({
  kind: fc.constantFrom('started', 'completed', 'failed', 'failed', 'released', 'released'),
  behind: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.integer({ min: -1, max: 3 }) }),
  lease: fc.nat(4),
  receiveCount: fc.integer({ min: 1, max: 4 }),
  task: fc.nat(TASKS - 1),
  permanent: fc.boolean(),
});
/** Any reports, some of them again, anywhere. */
const anyHistory = fc
  .tuple(fc.array(anyReport, { maxLength: 60 }), fc.array(fc.nat(1_000), { maxLength: 20 }))
  .map(([reports, again]) => [...reports, ...again.flatMap((n) => reports[n % (reports.length || 1)] ?? [])]);
const anyRules: fc.Arbitrary<JobRules> = fc.record({
  retry: fc.record({
    maxAttempts: fc.integer({ min: 1, max: 5 }),
    backoffSeconds: fc.integer({ min: 0, max: 900 }),
    retryOnExitCodes: fc.constant([75]),
    retryOnTimeout: fc.boolean(),
  }),
  cancelling: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.boolean()),
  closed: fc.constant(false),
});

function eventOf(report: Report, row: TaskRecord | undefined): TaskEvent {
  const { kind, behind, lease, receiveCount, task, permanent } = report;
  const attempt = Math.max(1, (row?.attempt ?? 1) - behind);
  const common = {
    taskId: taskIdFactory(task),
    attempt,
    receiveCount,
    leaseId: `lease-${task}-${attempt}-${lease}`,
    at: at(attempt * 10),
  };
  switch (kind) {
    case 'started':
      return startedEvent(common);
    case 'completed':
      return completedEvent({ ...common, result: { json: `"${common.leaseId}"` } });
    case 'failed':
      return failedEvent({ ...common, failure: failureFactory(permanent ? { exitCode: 1 } : {}) });
    case 'released':
      return releasedEvent(common);
  }
}

interface Step {
  readonly event: TaskEvent;
  readonly before: TaskRecord | undefined;
  readonly transition: Transition;
  readonly after: TaskRecord | undefined;
}

/** Applies a history as the status consumer does: one report after another, rows and counters together. */
function play(
  history: readonly Report[],
  job: JobRules,
): { steps: Step[]; rows: Map<number, TaskRecord>; counters: Counters } {
  const rows = new Map<number, TaskRecord>();
  let counters = zeroCounters;
  const steps = history.map((report): Step => {
    const before = rows.get(report.task);
    const event = eventOf(report, before);
    const transition = applyStatus(before, event, job, context(0.5));
    if (transition.kind === 'applied') {
      rows.set(report.task, transition.task);
      counters = addCounters(counters, transition.delta);
    }
    return { event, before, transition, after: rows.get(report.task) };
  });
  return { steps, rows, counters };
}

describe('whatever reports come, how often and in what order,', () => {
  const promise = (check: (played: ReturnType<typeof play>, job: JobRules) => void) =>
    fc.assert(
      fc.property(anyHistory, anyRules, (history, job) => check(play(history, job), job)),
      { numRuns: 500 },
    );

  it('the counters equal the rows (promise 2, lesson 1)', () => {
    promise(({ rows, counters }) => {
      const counted = [...rows.values()]
        .map((row) =>
          deltaOf('PENDING', row.status, {
            completedSeconds: row.status === 'COMPLETED' ? (row.attempts.at(-1)?.seconds ?? 0) : 0,
          }),
        )
        .reduce(addCounters, zeroCounters);

      expect({ ...counters, lostSeconds: 0 }).toEqual(counted);
    });
  });

  it('a terminal state absorbs, and the first accepted completion stays', () => {
    promise(({ steps }) => {
      for (const { before, transition, after } of steps) {
        if (!before || !isTerminal(before.status)) continue;
        expect(['stale', 'duplicate']).toContain(transition.kind);
        expect(after).toBe(before);
      }
    });
  });

  it('a completion that is not ahead of its row is never lost', () => {
    promise(({ steps }) => {
      for (const { event, before, transition, after } of steps) {
        if (event.kind !== 'completed' || transition.kind === 'returned') continue;
        expect(after && isTerminal(after.status)).toBe(true);
        if (!before || !isTerminal(before.status)) expect(after?.result).toEqual(event.result);
      }
    });
  });

  it('attempts never go back, and go on by one at a time', () => {
    promise(({ steps }) => {
      for (const { before, after } of steps) {
        const step = (after?.attempt ?? 1) - (before?.attempt ?? 1);
        expect([0, 1]).toContain(step);
      }
    });
  });

  it('attempts are limited: charged ones by the policy, the others to 20', () => {
    promise(({ rows }, job) => {
      for (const row of rows.values()) {
        expect(row.chargedAttempts).toBeLessThanOrEqual(job.retry.maxAttempts);
        expect(row.unchargedAttempts).toBeLessThanOrEqual(MAX_UNCHARGED_ATTEMPTS);
        expect(row.attempt).toBeLessThanOrEqual(row.chargedAttempts + row.unchargedAttempts + 1);
      }
    });
  });

  it('an attempt that is made is sent, and sent again when its cause is redelivered while it waits (promise 1)', () => {
    promise(({ steps }, job) => {
      for (const { event, transition, before } of steps) {
        if (transition.kind !== 'applied' || transition.task.attempt === (before?.attempt ?? 1)) continue;
        expect(transition.send?.attempt).toBe(transition.task.attempt);

        const redelivered = applyStatus(transition.task, event, job, context(0.5));

        expect(redelivered).toEqual({
          kind: 'resend',
          send: {
            taskId: event.taskId,
            attempt: transition.task.attempt,
            dueAt: transition.task.dueAt,
            checkpoint: null,
          },
        });
      }
    });
  });

  it('nothing is sent of a task that has ended, nor of any attempt but the current one', () => {
    promise(({ steps }) => {
      for (const { transition, after } of steps) {
        if (transition.kind !== 'applied' && transition.kind !== 'resend') continue;
        if (transition.send) expect(after).toMatchObject({ status: 'PENDING', attempt: transition.send.attempt });
        else expect(after?.status).not.toBe('PENDING');
      }
    });
  });

  it('a report ahead of its row is returned, and no other is', () => {
    promise(({ steps }) => {
      for (const { event, before, transition } of steps) {
        const ahead = event.attempt > (before?.attempt ?? 1) && !(before && isTerminal(before.status));
        expect(transition.kind === 'returned').toBe(ahead);
      }
    });
  });

  it('a row’s version grows by one with each write, and the row stays a valid one', () => {
    promise(({ steps }) => {
      for (const { before, transition } of steps) {
        if (transition.kind !== 'applied') continue;
        expect(transition.task.version).toBe((before?.version ?? 0) + 1);
        expect(taskRecordSchema.parse(transition.task)).toEqual(transition.task);
      }
    });
  });

  it('the same report a second time changes nothing', () => {
    promise(({ steps }, job) => {
      for (const { event, transition } of steps) {
        if (transition.kind !== 'applied') continue;
        expect(['duplicate', 'resend']).toContain(applyStatus(transition.task, event, job, context(0.5)).kind);
      }
    });
  });
});
