import { taskIdOf } from '../../core/ids.ts';
import type { EndedAttempt, Failure, StaleReport, TaskRecord } from '../../core/task.ts';
import { jobIdFactory } from './ids.ts';
import { at } from './manual-clock.ts';

/** A row as the first start of a task leaves it; id and index agree, whichever is overridden. */
export function taskRecordFactory(overrides: Partial<TaskRecord> = {}): TaskRecord {
  const jobId = overrides.jobId ?? jobIdFactory();
  const index = overrides.index ?? 0;
  return {
    taskId: taskIdOf(jobId, index),
    jobId,
    index,
    status: 'RUNNING',
    attempt: 1,
    chargedAttempts: 0,
    unchargedAttempts: 0,
    leaseId: 'lease-1',
    receiveCount: 1,
    instanceId: 'i-1',
    receiptHandle: null,
    lostLeases: 0,
    causedByLeaseId: null,
    dueAt: null,
    checkpoint: null,
    cancelRequested: false,
    startedAt: at(10),
    finishedAt: null,
    result: null,
    failure: null,
    attempts: [],
    staleReports: [],
    updatedAt: at(10),
    version: 1,
    ...overrides,
  };
}

/** A failure that the default policy calls temporary. */
export const failureFactory = (overrides: Partial<Failure> = {}): Failure => ({
  code: 'exit',
  message: 'the command ended with 75',
  exitCode: 75,
  ...overrides,
});

/** An attempt that failed and was charged. */
export const endedAttemptFactory = (overrides: Partial<EndedAttempt> = {}): EndedAttempt => ({
  attempt: 1,
  leaseId: 'lease-1',
  instanceId: 'i-1',
  outcome: 'failed',
  charged: true,
  reason: 'the command ended with 75',
  exitCode: 75,
  seconds: 5,
  endedAt: at(15),
  ...overrides,
});

/** What a zombie said of a task that had ended. */
export const staleReportFactory = (overrides: Partial<StaleReport> = {}): StaleReport => ({
  kind: 'completed',
  attempt: 1,
  leaseId: 'zombie',
  instanceId: 'i-9',
  at: at(20),
  reason: 'the task is COMPLETED already',
  ...overrides,
});
