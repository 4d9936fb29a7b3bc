/** The promises of a task's life, over any history: whatever is reported, by whom, how often and in what order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { completedEvent, failedEvent, releasedEvent, startedEvent } from '../test/factories/events.ts';
import { taskIdFactory } from '../test/factories/ids.ts';
import { at } from '../test/factories/manual-clock.ts';
import { cancelRequest, deadLetteredReport, lostReport } from '../test/factories/reports.ts';
import { failureFactory } from '../test/factories/task-record.ts';
import { applyStatus } from './apply-status.ts';
import { differencesOf, evidenceIn, talliesOfCounters, talliesOfRows } from './audit.ts';
import { addCounters, type Counters, deltaOf, zeroCounters } from './counters.ts';
import { MAX_UNCHARGED_ATTEMPTS } from './retry-policy.ts';
import { isTerminal, type TaskRecord, taskRecordSchema } from './task.ts';
import type { TaskReport } from './task-report.ts';
import type { JobRules, NextAttempt, ReportContext, Transition } from './transition.ts';

/** What is reported, in terms of what the row knows when it comes: one attempt ahead, the current one, or behind. */
interface Draw {
  readonly kind: TaskReport['kind'];
  readonly behind: number;
  /** `null`: the lease that runs the task, if one does. */
  readonly lease: number | null;
  readonly receiveCount: number;
  readonly task: number;
  readonly permanent: boolean;
  readonly checkpoint: boolean;
  /** Seconds since the report before. */
  readonly later: number;
}

const TASKS = 3;
const anyDraw: fc.Arbitrary<Draw> = fc.record({
  kind: fc.constantFrom(
    'started',
    'started',
    'completed',
    'failed',
    'failed',
    'released',
    'released',
    'lost',
    'dead-lettered',
    'cancel-requested',
  ),
  behind: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.integer({ min: -1, max: 3 }) }),
  lease: fc.oneof(fc.constant(null), fc.nat(4)),
  receiveCount: fc.integer({ min: 1, max: 4 }),
  task: fc.nat(TASKS - 1),
  permanent: fc.boolean(),
  checkpoint: fc.boolean(),
  later: fc.nat(20),
});
/** Some of them come again, anywhere. */
const anyHistory = fc
  .tuple(fc.array(anyDraw, { maxLength: 60 }), fc.array(fc.nat(1_000), { maxLength: 20 }))
  .map(([draws, again]) => [...draws, ...again.flatMap((n) => draws[n % (draws.length || 1)] ?? [])]);
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

function reportOf(draw: Draw, row: TaskRecord | undefined, now: number): TaskReport {
  const { kind, behind, receiveCount, task, permanent, checkpoint } = draw;
  const attempt = Math.max(1, (row?.attempt ?? 1) - behind);
  const running = draw.lease === null ? row?.leaseId : null;
  const leaseId = running ?? `lease-${task}-${attempt}-${draw.lease ?? 0}`;
  // Half of the machines have a price.
  const instanceId = leaseId.endsWith('1') || leaseId.endsWith('3') ? 'i-unknown' : 'i-1';
  const common = { taskId: taskIdFactory(task), attempt, receiveCount, leaseId, instanceId, at: at(now) };
  const left = checkpoint ? { checkpoint: { blob: `checkpoints/${leaseId}`, bytes: 1 } } : {};
  switch (kind) {
    case 'started':
      return startedEvent(common);
    case 'completed':
      return completedEvent({ ...common, result: { json: `"${leaseId}"` } });
    case 'failed':
      return failedEvent({ ...common, ...left, failure: failureFactory(permanent ? { exitCode: 1 } : {}) });
    case 'released':
      return releasedEvent({ ...common, ...left, cause: permanent ? 'machine' : 'interrupted' });
    case 'lost':
      return lostReport({ taskId: common.taskId, attempt, leaseId, at: at(now) });
    case 'dead-lettered':
      return deadLetteredReport({ taskId: common.taskId, attempt, at: at(now) });
    case 'cancel-requested':
      return cancelRequest({ taskId: common.taskId, at: at(now) });
  }
}

interface Step {
  readonly report: TaskReport;
  readonly context: ReportContext;
  readonly before: TaskRecord | undefined;
  readonly transition: Transition;
  readonly after: TaskRecord | undefined;
}

interface Played {
  readonly steps: readonly Step[];
  readonly rows: readonly TaskRecord[];
  readonly counters: Counters;
}

/** Applies a history as the control plane does: one report after another, rows and counters together. */
function play(history: readonly Draw[], job: JobRules): Played {
  const rows = new Map<number, TaskRecord>();
  let counters = zeroCounters;
  let now = 0;
  const steps = history.map((draw): Step => {
    now += draw.later;
    const context: ReportContext = {
      now: new Date(at(now)),
      random: 0.5,
      usdPerSecond: (machine) => (machine === 'i-1' ? 0.000_012_345 : null),
    };
    const before = rows.get(draw.task);
    const report = reportOf(draw, before, now);
    const transition = applyStatus(before, report, job, context);
    if (transition.kind === 'applied') counters = addCounters(counters, transition.delta);
    const written = transition.kind === 'applied' || transition.kind === 'stale' ? transition.task : null;
    if (written) rows.set(draw.task, written);
    return { report, context, before, transition, after: rows.get(draw.task) };
  });
  return { steps, rows: [...rows.values()], counters };
}

/** What a stale report may add to a row. */
const withoutEvidence = ({ staleReports, updatedAt, version, ...rest }: TaskRecord) => rest;
const sentBy = (transition: Transition): NextAttempt | null =>
  transition.kind === 'applied' || transition.kind === 'resend' ? transition.send : null;
const sumOf = (rows: readonly TaskRecord[], of: (row: TaskRecord) => number): number =>
  rows.reduce((sum, row) => sum + of(row), 0);

describe('whatever is reported, how often and in what order,', () => {
  const promise = (check: (played: Played, job: JobRules) => void) =>
    fc.assert(
      fc.property(anyHistory, anyRules, (history, job) => check(play(history, job), job)),
      { numRuns: 100 },
    );

  it('an audit finds counters and rows equal, and no row that contradicts itself', () =>
    promise(({ rows, counters }) => {
      expect(differencesOf(talliesOfCounters(counters), talliesOfRows(rows))).toEqual([]);
      expect(evidenceIn(rows).impossible).toEqual([]);
    }));

  it('the counters equal the rows (promise 2, lesson 1)', () => {
    promise(({ rows, counters }) => {
      const { costUsd, lostSeconds, lostUsd, ...counts } = counters;
      const expected = rows
        .map((row) =>
          deltaOf('PENDING', row.status, {
            completedSeconds: row.status === 'COMPLETED' ? (row.attempts.at(-1)?.seconds ?? 0) : 0,
          }),
        )
        .reduce(addCounters, zeroCounters);

      expect({ ...expected, ...counts }).toEqual(expected);
    });
  });

  it('the costs add up to those of all attempts, and no more is lost than was paid', () => {
    promise(({ rows, counters }) => {
      const paid = sumOf(rows, (row) => row.attempts.reduce((sum, each) => sum + (each.costUsd ?? 0), 0));
      const seconds = sumOf(rows, (row) => row.attempts.reduce((sum, each) => sum + each.seconds, 0));

      expect(counters.costUsd).toBeCloseTo(paid, 9);
      expect(counters.lostUsd).toBeLessThanOrEqual(counters.costUsd + 1e-12);
      expect(counters.lostSeconds + counters.completedSeconds).toBeLessThanOrEqual(seconds + 1e-9);
    });
  });

  it('a terminal state absorbs: what comes later is at most kept as evidence (lesson 3)', () => {
    promise(({ steps }) => {
      for (const { before, transition, after } of steps) {
        if (!before || !after || !isTerminal(before.status)) continue;
        expect(['stale', 'duplicate']).toContain(transition.kind);
        expect(withoutEvidence(after)).toEqual(withoutEvidence(before));
      }
    });
  });

  it('evidence changes nothing else, is kept once for each report, and at most ten times a task', () => {
    promise(({ steps, rows }) => {
      for (const { before, transition } of steps) {
        if (transition.kind !== 'stale' || !transition.task) continue;
        expect(before && withoutEvidence(before)).toEqual(withoutEvidence(transition.task));
        expect(transition.task.staleReports.length).toBe((before?.staleReports.length ?? 0) + 1);
      }
      for (const { staleReports } of rows) {
        expect(staleReports.length).toBeLessThanOrEqual(10);
        expect(new Set(staleReports.map(({ kind, leaseId }) => `${kind} ${leaseId}`)).size).toBe(staleReports.length);
      }
    });
  });

  it('a completion that is not ahead of its row is never lost, and the first one stays', () => {
    promise(({ steps }) => {
      for (const { report, before, transition, after } of steps) {
        if (report.kind !== 'completed' || transition.kind === 'returned') continue;
        expect(after && isTerminal(after.status)).toBe(true);
        if (!before || !isTerminal(before.status)) expect(after?.result).toEqual(report.result);
      }
    });
  });

  it('attempts never go back, and go on by one at a time, only by what an agent reports', () => {
    promise(({ steps }) => {
      for (const { report, before, after } of steps) {
        const step = (after?.attempt ?? 1) - (before?.attempt ?? 1);
        expect(report.kind === 'failed' || report.kind === 'released' ? [0, 1] : [0]).toContain(step);
      }
    });
  });

  it('attempts are limited: charged ones by the policy, and 20 uncharged ones end the task at the next setback', () => {
    promise(({ steps, rows }, job) => {
      for (const row of rows) {
        expect(row.chargedAttempts).toBeLessThanOrEqual(job.retry.maxAttempts);
        expect(row.attempt).toBeLessThanOrEqual(row.chargedAttempts + row.unchargedAttempts + 1);
        const charged = row.attempts.filter((each) => each.charged);
        if (row.status !== 'CANCELLED') expect(row.chargedAttempts).toBe(charged.length);
      }
      for (const { report, transition } of steps) {
        if (transition.kind !== 'applied' || report.kind === 'started' || report.kind === 'failed') continue;
        const { status, unchargedAttempts } = transition.task;
        if (status === 'PENDING') expect(unchargedAttempts).toBeLessThan(MAX_UNCHARGED_ATTEMPTS);
      }
    });
  });

  it('a loss is never charged, and stands in the history under its own attempt', () => {
    promise(({ steps }) => {
      for (const { report, before, transition } of steps) {
        if (transition.kind !== 'applied' || (report.kind !== 'lost' && report.kind !== 'dead-lettered')) continue;
        expect(transition.task.chargedAttempts).toBe(before?.chargedAttempts ?? 0);
        for (const entry of transition.task.attempts.slice(before?.attempts.length ?? 0)) {
          expect(entry).toMatchObject({
            outcome: 'lost',
            charged: false,
            attempt: before?.attempt,
            leaseId: before?.leaseId,
          });
        }
      }
    });
  });

  it('an attempt that is made is sent, and sent again when its cause is redelivered while it waits (promise 1)', () => {
    promise(({ steps }, job) => {
      for (const { report, context, transition, before } of steps) {
        if (transition.kind !== 'applied' || transition.task.attempt === (before?.attempt ?? 1)) continue;
        expect(transition.send?.attempt).toBe(transition.task.attempt);
        expect(applyStatus(transition.task, report, job, context)).toEqual({ kind: 'resend', send: transition.send });
      }
    });
  });

  it('nothing is sent of a task that has ended, nor of any attempt but the current one, nor before that is due', () => {
    promise(({ steps }) => {
      for (const { transition, after, before } of steps) {
        const send = sentBy(transition);
        if (!send) continue;
        const row = after ?? before;
        expect([row?.status ?? 'PENDING', row?.attempt ?? 1]).toEqual(['PENDING', send.attempt]);
        expect(send.dueAt).toBe(row?.dueAt ?? null);
        expect(send.checkpoint).toBe(row?.checkpoint?.blob ?? null);
      }
    });
  });

  it('a task that is left waiting under a new attempt, or whose message was given up, has a message on its way', () => {
    promise(({ steps }) => {
      for (const { report, transition, after } of steps) {
        const waits = after === undefined || after.status === 'PENDING';
        const mustSend =
          (transition.kind === 'applied' && (report.kind === 'failed' || report.kind === 'released')) ||
          (report.kind === 'dead-lettered' && (transition.kind === 'applied' || transition.kind === 'resend'));
        if (waits && mustSend) expect(sentBy(transition)).not.toBeNull();
      }
    });
  });

  it('whoever waits can be run by the first delivery of a new message', () => {
    promise(({ steps }, job) => {
      for (const { after, context } of steps) {
        if (after?.status !== 'PENDING') continue;
        const { taskId, attempt } = after;
        const fresh = { taskId, attempt, leaseId: 'fresh', receiveCount: 1 };
        const started = applyStatus(after, startedEvent(fresh), job, context);
        expect(started).toMatchObject({ kind: 'applied', task: { status: 'RUNNING', leaseId: 'fresh' } });
        expect(applyStatus(after, failedEvent(fresh), job, context).kind).toBe('applied');
      }
    });
  });

  it('a report ahead of its row is returned, and no other is', () => {
    promise(({ steps }) => {
      for (const { report, before, transition } of steps) {
        if (report.kind === 'cancel-requested') continue;
        const ahead = report.attempt > (before?.attempt ?? 1) && !(before && isTerminal(before.status));
        expect(transition.kind === 'returned').toBe(ahead);
      }
    });
  });

  it('a row’s version grows by one with each write, and the row stays a valid one', () => {
    promise(({ steps }) => {
      for (const { before, after, transition } of steps) {
        if (transition.kind !== 'applied' && transition.kind !== 'stale') continue;
        if (!transition.task) continue;
        expect(after?.version).toBe((before?.version ?? 0) + 1);
        expect(taskRecordSchema.parse(after)).toEqual(after);
      }
    });
  });

  it('the same report a second time changes nothing', () => {
    promise(({ steps }, job) => {
      for (const { report, context, transition } of steps) {
        if (transition.kind !== 'applied') continue;
        const again = applyStatus(transition.task, report, job, context);
        expect(['duplicate', 'resend', 'stale']).toContain(again.kind);
        if (again.kind === 'stale') expect(again.task).toBeNull();
      }
    });
  });
});
