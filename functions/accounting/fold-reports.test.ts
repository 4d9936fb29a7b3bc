import { describe, expect, it } from 'vitest';
import { zeroCounters } from '../../core/counters.ts';
import { POISON_LOSSES } from '../../core/retry-policy.ts';
import type { TaskRecord } from '../../core/task.ts';
import type { TaskReport } from '../../core/task-report.ts';
import type { JobRules } from '../../core/transition.ts';
import { completedEvent, failedEvent, releasedEvent, startedEvent } from '../../test/factories/events.ts';
import { taskIdFactory } from '../../test/factories/ids.ts';
import { jobFactory } from '../../test/factories/job.ts';
import { at } from '../../test/factories/manual-clock.ts';
import { cancelRequest, deadLetteredReport, lostReport } from '../../test/factories/reports.ts';
import { taskRecordFactory } from '../../test/factories/task-record.ts';
import { foldTask } from './fold-reports.ts';

const rules: JobRules = { retry: jobFactory().retry, cancelling: false, closed: false };
const TASK = taskIdFactory();

const fold = (events: readonly TaskReport[], row?: TaskRecord, job: Partial<JobRules> = {}) =>
  foldTask(
    TASK,
    events.map((event, index) => ({ event, messageId: `m-${index}`, redelivered: false })),
    row,
    { ...rules, ...job },
    () => ({ now: new Date(at(60)), random: 0, usdPerSecond: () => null }),
  );

/** A row that waits for attempt 2, which lease-1 caused. */
const waiting = taskRecordFactory({
  status: 'PENDING',
  attempt: 2,
  chargedAttempts: 1,
  leaseId: null,
  receiveCount: 0,
  causedByLeaseId: 'lease-1',
  version: 4,
});

describe('the reports on one task', () => {
  it('become one write, whatever they pass through', () => {
    const { write, delta, send } = fold([startedEvent(), completedEvent({ seconds: 5 })]);

    expect(write).toMatchObject({ previousVersion: null, task: { status: 'COMPLETED', version: 1 } });
    expect(delta).toEqual({ ...zeroCounters, completed: 1, completedSeconds: 5 });
    expect(send).toBeNull();
  });

  it('make the row one version younger, however many they are', () => {
    const { write } = fold(
      [startedEvent({ attempt: 2, leaseId: 'b' }), completedEvent({ attempt: 2, leaseId: 'b' })],
      waiting,
    );

    expect(write).toMatchObject({ previousVersion: 4, task: { status: 'COMPLETED', version: 5 } });
  });

  it('are taken in the order of attempts, a start before its end, however they arrive', () => {
    const inOrder = [
      startedEvent(),
      failedEvent(),
      startedEvent({ attempt: 2, leaseId: 'lease-2' }),
      completedEvent({ attempt: 2, leaseId: 'lease-2' }),
    ];

    expect(fold(inOrder.toReversed()).write).toEqual(fold(inOrder).write);
    expect(fold(inOrder.toReversed()).delta).toEqual({
      ...zeroCounters,
      completed: 1,
      completedSeconds: 5,
      lostSeconds: 5,
    });
  });

  it('that come twice change nothing the second time (lesson 1)', () => {
    const { write, delta, stale } = fold([completedEvent(), completedEvent()]);

    expect(write?.task.attempts).toHaveLength(1);
    expect(delta.completed).toBe(1);
    expect(stale).toEqual([]);
  });

  it('that change nothing write nothing', () => {
    const completed = fold([completedEvent()]).write?.task;

    expect(fold([completedEvent(), startedEvent()], completed)).toMatchObject({ write: null, delta: zeroCounters });
  });

  it('ask for the next attempt after a failure', () => {
    const { write, send } = fold([failedEvent()]);

    expect(write?.task).toMatchObject({ status: 'PENDING', attempt: 2, causedByLeaseId: 'lease-1' });
    expect(send).toEqual({ taskId: TASK, attempt: 2, dueAt: null, checkpoint: null });
  });

  it('send only the last of several attempts: the earlier are over', () => {
    const { write, send } = fold([failedEvent(), releasedEvent({ attempt: 2, leaseId: 'lease-2' })]);

    expect(write?.task.attempt).toBe(3);
    expect(send?.attempt).toBe(3);
  });

  it('send nothing for a task that completes in the same moment, even from an earlier attempt', () => {
    const { write, send } = fold([failedEvent({ leaseId: 'a' }), completedEvent({ leaseId: 'b' })]);

    expect(write?.task.status).toBe('COMPLETED');
    expect(send).toBeNull();
  });

  it('send again what was recorded, when the failure that caused it comes again (lesson 12)', () => {
    const { write, send } = fold([failedEvent()], waiting);

    expect(write).toBeNull();
    expect(send).toEqual({ taskId: TASK, attempt: 2, dueAt: null, checkpoint: null });
  });

  it('do not send again what has started meanwhile', () => {
    const { write, send } = fold([failedEvent(), startedEvent({ attempt: 2, leaseId: 'lease-2' })], waiting);

    expect(write?.task.status).toBe('RUNNING');
    expect(send).toBeNull();
  });

  it('of a stale machine change nothing but the evidence, which is kept once (lesson 2)', () => {
    const zombie = failedEvent({ leaseId: 'stranger' });
    const { write, stale, delta, counts } = fold([zombie], waiting);
    const again = fold([zombie], write?.task);

    const { staleReports, updatedAt, version, ...rest } = write?.task ?? waiting;
    expect(rest).toEqual({ ...waiting, ...{ staleReports: undefined, updatedAt: undefined, version: undefined } });
    expect(staleReports).toMatchObject([{ kind: 'failed', leaseId: 'stranger', reason: 'attempt 1 is over' }]);
    expect({ stale: stale.length, delta, counts }).toEqual({ stale: 1, delta: zeroCounters, counts: false });
    expect(again.write).toBeNull();
  });

  it('above the known attempt come back, and only their own records do', () => {
    const { write, returned } = fold([completedEvent({ attempt: 3 }), startedEvent()]);

    expect(returned.map(({ messageId }) => messageId)).toEqual(['m-0']);
    expect(write?.task.status).toBe('RUNNING');
  });

  it('of a closed job are all stale', () => {
    const { write, stale } = fold([startedEvent(), completedEvent()], undefined, { closed: true });

    expect(write).toBeNull();
    expect(stale).toHaveLength(2);
  });

  it('of a job that is being cancelled end the task instead of trying again', () => {
    const { write, send, delta } = fold([failedEvent()], undefined, { cancelling: true });

    expect(write?.task.status).toBe('CANCELLED');
    expect(delta.cancelled).toBe(1);
    expect(send).toBeNull();
  });

  it('that a lease was lost and what it brought all the same become one write, in which the outcome counts', () => {
    const { write, delta } = fold([completedEvent(), lostReport()], taskRecordFactory());

    expect(write).toMatchObject({ previousVersion: 1, task: { status: 'COMPLETED', version: 2 } });
    expect(delta).toMatchObject({ running: -1, completed: 1 });
  });

  it('send one message for a task whose message was given up twice', () => {
    const running = taskRecordFactory({ lostLeases: 0 });

    const { write, send } = fold([deadLetteredReport(), deadLetteredReport()], running);

    expect(write?.task).toMatchObject({ status: 'PENDING', lostLeases: 1 });
    expect(send).toMatchObject({ attempt: 1 });
  });

  it('send nothing for a task that ends as poison, whatever came before', () => {
    const killer = taskRecordFactory({
      status: 'PENDING',
      leaseId: null,
      receiveCount: 0,
      lostLeases: POISON_LOSSES - 1,
    });

    const { write, send } = fold([startedEvent({ leaseId: 'last' }), deadLetteredReport()], killer);

    expect(write?.task).toMatchObject({ status: 'FAILED', failure: { code: 'poison' } });
    expect(send).toBeNull();
  });

  it('of which one asks for the end are taken after it: nothing is sent of a task that is cancelled', () => {
    const { write, send, delta } = fold([failedEvent(), cancelRequest()], waiting);

    expect(write?.task.status).toBe('CANCELLED');
    expect(delta.cancelled).toBe(1);
    expect(send).toBeNull();
  });
});
