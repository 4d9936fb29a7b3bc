/** The table at the top of `apply-status.ts` is what the code does: read from the prose, walked cell by cell. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { completedEvent, failedEvent, releasedEvent, startedEvent } from '../test/factories/events.ts';
import { at } from '../test/factories/manual-clock.ts';
import { cancelRequest, deadLetteredReport, lostReport } from '../test/factories/reports.ts';
import { endedAttemptFactory, failureFactory, taskRecordFactory } from '../test/factories/task-record.ts';
import { applyStatus } from './apply-status.ts';
import { MAX_UNCHARGED_ATTEMPTS, POISON_LOSSES } from './retry-policy.ts';
import { isTerminal, TASK_STATUSES, type TaskRecord } from './task.ts';
import type { TaskReport } from './task-report.ts';
import type { JobRules, ReportContext, Transition } from './transition.ts';

const CURRENT = 3;
const context: ReportContext = { now: new Date(at(60)), random: 0.5, usdPerSecond: () => null };
const rules: JobRules = {
  retry: { maxAttempts: 3, backoffSeconds: 10, retryOnExitCodes: [75], retryOnTimeout: false },
  cancelling: false,
  closed: false,
};

/** Leases by what the row knows of them: the one that made the current attempt, one that was lost in it, its holder. */
const LEASES = ['cause', 'gone', 'holder', 'stranger'] as const;
const KINDS = ['started', 'completed', 'failed', 'released', 'lost', 'dead-lettered', 'cancel-requested'] as const;

interface Case {
  readonly row: TaskRecord | undefined;
  readonly report: TaskReport;
  readonly job: JobRules;
}

/** Charged and uncharged attempts, both far from their limits and both one before. */
const LIMITS = [
  [0, 1],
  [2, MAX_UNCHARGED_ATTEMPTS - 1],
] as const;

/** Every state × every limit that is near or far × marked or not. */
function* everyRow(): Iterable<TaskRecord> {
  for (const status of TASK_STATUSES)
    for (const [chargedAttempts, unchargedAttempts] of LIMITS)
      for (const lostLeases of [0, POISON_LOSSES - 1, POISON_LOSSES])
        for (const cancelRequested of status === 'RUNNING' ? [false, true] : [false])
          yield taskRecordFactory({
            status,
            attempt: CURRENT,
            chargedAttempts,
            unchargedAttempts,
            lostLeases,
            cancelRequested,
            causedByLeaseId: 'cause',
            ...(status === 'PENDING'
              ? { leaseId: null, instanceId: null, receiveCount: 0, startedAt: null }
              : { leaseId: 'holder', instanceId: 'i-1', receiveCount: 2 }),
            attempts: [
              endedAttemptFactory({ attempt: CURRENT - 1, leaseId: 'cause', outcome: 'failed' }),
              endedAttemptFactory({ attempt: CURRENT, leaseId: 'gone', outcome: 'lost' }),
              ...(status === 'COMPLETED'
                ? [endedAttemptFactory({ attempt: CURRENT, leaseId: 'holder', outcome: 'completed' })]
                : []),
            ],
          });
}

/** Every kind × attempt below, at and above the row's × every lease × every delivery × for good or not. */
function* everyReport(): Iterable<TaskReport> {
  for (const kind of KINDS)
    for (const attempt of kind === 'cancel-requested' ? [CURRENT] : [CURRENT - 1, CURRENT, CURRENT + 1])
      for (const leaseId of LEASES)
        for (const receiveCount of [1, 2, 3])
          for (const forGood of [false, true]) {
            const report = { attempt, leaseId, receiveCount };
            switch (kind) {
              case 'started':
                yield startedEvent(report);
                break;
              case 'completed':
                yield completedEvent(report);
                break;
              case 'failed':
                yield failedEvent({ ...report, failure: failureFactory(forGood ? { exitCode: 1 } : {}) });
                break;
              case 'released':
                yield releasedEvent({ ...report, cause: forGood ? 'machine' : 'interrupted' });
                break;
              case 'lost':
                yield lostReport({ attempt, leaseId });
                break;
              case 'dead-lettered':
                yield deadLetteredReport({ attempt });
                break;
              case 'cancel-requested':
                yield cancelRequest();
                break;
            }
          }
}

const played = [...everyRow()].flatMap((row) =>
  [...everyReport()].flatMap((report) =>
    [rules, { ...rules, cancelling: true }].map((job) => {
      const each: Case = { row, report, job };
      return { each, transition: applyStatus(row, report, job, context) };
    }),
  ),
);

/** What a transition is called in the table. */
function outcomeOf({ row, report }: Case, transition: Transition): string {
  if (transition.kind !== 'applied') return transition.kind;
  const { task } = transition;
  if (task.status === 'COMPLETED') return 'COMPLETED';
  if (task.status === 'PENDING') return task.attempt === (row?.attempt ?? 1) ? 'PENDING n' : 'PENDING n+1';
  if (task.status === 'RUNNING' && report.kind === 'cancel-requested') return 'marked';
  if (task.status === 'RUNNING') return row?.status === 'RUNNING' ? 'moves lease' : 'RUNNING';
  return 'end';
}

const COLUMN: Readonly<Record<TaskReport['kind'], string>> = {
  started: 'started',
  completed: 'completed',
  failed: 'failed, released',
  released: 'failed, released',
  lost: 'lost',
  'dead-lettered': 'dead-lettered',
  'cancel-requested': 'cancel',
};

function cellOf({ row, report }: Case): string {
  const status = row?.status ?? 'PENDING';
  const known = row?.attempt ?? 1;
  const attempt = report.kind === 'cancel-requested' ? known : report.attempt;
  const line = isTerminal(status)
    ? 'terminal, any'
    : attempt > known
      ? "attempt above row's"
      : attempt < known
        ? "attempt below row's"
        : `${status}, current`;
  return `${line} × ${COLUMN[report.kind]}`;
}

/** The cells of the table in the prose: what may come of each. */
function tableOfProse(): Map<string, Set<string>> {
  const text = readFileSync(join(import.meta.dirname, 'apply-status.ts'), 'utf8');
  const lines = text.split('\n').flatMap((line) => (line.startsWith(' * | ') ? [line.slice(5, -2).split(' | ')] : []));
  const [head = [], , ...body] = lines.map((cells) => cells.map((cell) => cell.trim()));
  return new Map(
    body.flatMap(([name = '', ...cells]) =>
      cells.flatMap((cell, n) =>
        cell === '–' ? [] : [[`${name} × ${head[n + 1]}`, new Set(cell.split(', '))] as const],
      ),
    ),
  );
}

/** Rule 2, told in another way than the code tells it: the row shows already what the report says. */
function isKnown({ row, report }: Case): boolean {
  if (!row) return false;
  const known = (attempt: number, leaseId: string) => ({
    wasCause: leaseId === 'cause' && attempt === CURRENT - 1,
    wasLost: leaseId === 'gone' && attempt === CURRENT,
    holds: leaseId === 'holder' && attempt === CURRENT && row.leaseId === 'holder',
    completed: leaseId === 'holder' && attempt === CURRENT && row.status === 'COMPLETED',
  });
  switch (report.kind) {
    case 'dead-lettered':
      return false;
    case 'cancel-requested':
      return row.cancelRequested;
    case 'started': {
      const { wasCause, wasLost, holds } = known(report.attempt, report.leaseId);
      return wasCause || wasLost || holds;
    }
    case 'completed':
      return known(report.attempt, report.leaseId).completed;
    case 'failed':
    case 'released': {
      const { wasCause, completed } = known(report.attempt, report.leaseId);
      return wasCause || completed;
    }
    case 'lost': {
      const { wasCause, wasLost, completed } = known(report.attempt, report.leaseId);
      return wasCause || wasLost || completed;
    }
  }
}

describe('the table of the rules', () => {
  it('says of each cell exactly what the code can do in it', () => {
    const seen = new Map<string, Set<string>>();
    for (const { each, transition } of played) {
      const outcome = outcomeOf(each, transition);
      if (outcome === 'duplicate') continue;
      const outcomes = seen.get(cellOf(each)) ?? new Set();
      seen.set(cellOf(each), outcomes.add(outcome));
    }

    expect(seen).toEqual(tableOfProse());
  });

  it('leaves out what is known already: it is a duplicate, or is sent again while its attempt waits', () => {
    const wrong = played.filter(({ each, transition: { kind } }) => {
      const { row, report } = each;
      const waits = row?.status === 'PENDING' && (report.kind === 'failed' || report.kind === 'released');
      return isKnown(each) ? kind !== (waits ? 'resend' : 'duplicate') : kind === 'duplicate';
    });

    expect(wrong).toEqual([]);
  });

  it('holds for a task without a row as for one that is PENDING at attempt 1', () => {
    const first = taskRecordFactory({
      status: 'PENDING',
      leaseId: null,
      instanceId: null,
      receiveCount: 0,
      startedAt: null,
      updatedAt: null,
    });
    for (const each of everyReport()) {
      const report = 'attempt' in each ? { ...each, attempt: each.attempt - CURRENT + 1 || 1 } : each;
      const without = applyStatus(undefined, report, rules, context);
      const withRow = applyStatus(first, report, rules, context);

      expect(outcomeOf({ row: undefined, report, job: rules }, without)).toBe(
        outcomeOf({ row: first, report, job: rules }, withRow),
      );
    }
  });

  it('is all stale or known in a closed job, and nothing of it is counted or sent', () => {
    const closed = played.map(
      ({ each: { row, report, job } }) => applyStatus(row, report, { ...job, closed: true }, context).kind,
    );

    expect(new Set(closed)).toEqual(new Set(['stale', 'duplicate']));
  });
});
