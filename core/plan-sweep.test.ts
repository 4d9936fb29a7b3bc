import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jobFactory } from '../test/factories/job.ts';
import { at } from '../test/factories/manual-clock.ts';
import { taskRecordFactory } from '../test/factories/task-record.ts';
import type { SweepMark } from './job.ts';
import { isLost, NEVER_SWEPT, planSweep, type SweepSnapshot } from './plan-sweep.ts';

const limits = { leaseAllowanceSeconds: 60, settleSeconds: 60 };
/** (240 + 60) × 4/3: a lease of 400 s at most. */
const job = jobFactory({ timeoutSeconds: 240, enqueuedAt: at(0) });
const LEASE = 400;

const plan = (seconds: number, mark: Partial<SweepMark> | null = null, over: Partial<SweepSnapshot> = {}) =>
  planSweep(
    {
      now: new Date(at(seconds)),
      job: { ...job, sweep: mark && { ...NEVER_SWEPT, ...mark } },
      openTasks: 3,
      visible: 0,
      ...over,
    },
    limits,
  );

describe('the first look', () => {
  it('notes the time at which no message of the queue waits', () => {
    expect(plan(100)).toEqual({ kind: 'mark', mark: { quietAt: at(100), sentAt: null, chunk: 0 } });
  });

  it.each([
    ['while messages wait', plan(100, null, { visible: 1 })],
    ['so soon after sending that the counts may not show it', plan(60)],
    ['so soon after sending again', plan(1_000, { sentAt: at(950) })],
    ['for a job that is not enqueued yet', plan(100, null, { job: { ...job, enqueuedAt: null } })],
    ['for a job without open tasks', plan(100, null, { openTasks: 0 })],
  ])('is not taken %s', (_when, step) => {
    expect(step).toEqual({ kind: 'nothing' });
  });
});

describe('the second look', () => {
  it('comes a whole lease after the first, when the queue is quiet again', () => {
    const mark = { quietAt: at(100) };

    expect(plan(100 + LEASE + 60, mark).kind).toBe('nothing');
    expect(plan(100 + LEASE + 61, mark)).toEqual({ kind: 'walk', fromChunk: 0, heardBy: new Date(at(40)) });
    expect(plan(100 + LEASE + 61, mark, { visible: 5 }).kind).toBe('nothing');
  });

  it('does not wait for ever for a queue that other jobs never let be quiet', () => {
    expect(plan(100 + 3 * LEASE + 61, { quietAt: at(100) }, { visible: 5 }).kind).toBe('walk');
  });

  it('goes on where it stopped', () => {
    expect(plan(10_000, { quietAt: at(100), chunk: 7 })).toMatchObject({ fromChunk: 7 });
  });

  it('allows for the setup of jobs that have one', () => {
    const code = { ...job.code, setup: 'make', setupTimeoutSeconds: 300 };
    const slow = { job: { ...job, code, sweep: { ...NEVER_SWEPT, quietAt: at(100) } } };

    expect(plan(100 + LEASE + 61, null, slow).kind).toBe('nothing');
    expect(plan(100 + 800 + 61, null, slow).kind).toBe('walk');
  });
});

describe('a queue that does not tell what waits on it', () => {
  const untold = (seconds: number, mark: Partial<SweepMark> | null, foundEmptyAt: string | null) =>
    plan(seconds, mark, { visible: null, foundEmptyAt });

  it('is quiet when a machine found it empty, as of then', () => {
    expect(untold(200, null, at(100))).toEqual({ kind: 'mark', mark: { quietAt: at(100), sentAt: null, chunk: 0 } });
  });

  it.each([
    ['when no machine did', untold(10_000, null, null)],
    ['when one did before, or while, the tasks were sent', untold(10_000, null, at(50))],
    ['when one did before they were sent again', untold(10_000, { sentAt: at(9_000) }, at(8_000))],
    ['a second time, when it was only once', untold(100 + LEASE + 61, { quietAt: at(100) }, at(100))],
  ])('is not believed to be quiet %s', (_when, step) => {
    expect(step).toEqual({ kind: 'nothing' });
  });

  it('is walked when a machine found it empty again a lease later, or three leases after the first time', () => {
    const found = at(100 + LEASE + 61);
    expect(untold(2_000, { quietAt: at(100) }, found)).toMatchObject({ kind: 'walk', heardBy: new Date(at(40)) });
    expect(untold(100 + 3 * LEASE + 61, { quietAt: at(100) }, at(100)).kind).toBe('walk');
  });
});

describe('a message that nears the end of its retention', () => {
  const day = 86_400;

  it('is sent again without any look, and once', () => {
    expect(plan(13 * day + 1, null, { visible: 5 })).toMatchObject({ kind: 'walk', heardBy: new Date(at(1)) });
    expect(plan(13 * day + 1, { sentAt: at(13 * day - 60) }, { visible: 5 }).kind).toBe('nothing');
  });
});

describe('a task', () => {
  const heardBy = new Date(at(100));
  const lost = (row: Parameters<typeof taskRecordFactory>[0] | null, sweep: SweepMark | null = null) =>
    isLost(row === null ? undefined : taskRecordFactory(row), { ...job, sweep }, heardBy);

  it.each([
    ['of which nothing was ever heard', lost(null)],
    ['that has been running since before', lost({ status: 'RUNNING', updatedAt: at(90) })],
    ['that has been waiting since before', lost({ status: 'PENDING', updatedAt: at(10), dueAt: at(90) })],
  ])('%s is lost', (_which, is) => {
    expect(is).toBe(true);
  });

  it.each([
    ['that has ended', lost({ status: 'FAILED', updatedAt: at(1) })],
    ['that was heard of since', lost({ status: 'RUNNING', updatedAt: at(101) })],
    ['that was to wait until after that', lost({ status: 'PENDING', updatedAt: at(1), dueAt: at(101) })],
    ['that was sent again since', lost(null, { ...NEVER_SWEPT, sentAt: at(101) })],
  ])('%s is not lost', (_which, is) => {
    expect(is).toBe(false);
  });
});

it('a job whose messages are all lost is walked within two leases and a little, whenever anybody looks (lesson 5)', () => {
  const looks = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 40, maxLength: 40 });
  fc.assert(
    fc.property(looks, (pauses) => {
      let mark: SweepMark | null = null;
      let seconds = 0;
      for (const pause of [...pauses, ...pauses, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60]) {
        seconds += pause;
        const step = plan(seconds, mark);
        if (step.kind === 'walk') return seconds <= 2 * LEASE + 60 * 4;
        if (step.kind === 'mark') mark = step.mark;
      }
      return seconds < LEASE + 200;
    }),
  );
});
