import { describe, expect, it } from 'vitest';
import { isJobCancelled } from '../../core/control-document.ts';
import type { Counters } from '../../core/counters.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import type { FinishCause } from '../../core/job-outcome.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { ManualClock, START } from '../../test/factories/manual-clock.ts';
import { InMemoryControlChannel } from '../../test/fakes/in-memory-control-channel.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { finishJob } from './finish-job.ts';

function prepare(overrides: Partial<Job> = {}, counters: Partial<Counters> = {}) {
  const tables = new InMemoryTables();
  const job = jobFactory({ status: 'RUNNING', taskToken: 'token-1', ...overrides });
  tables.jobs.set(job.jobId, { job, counters: countersFactory(counters) });
  const control = new InMemoryControlChannel();
  const ports = { jobs: new InMemoryJobStore(tables), control, clock: new ManualClock() };
  const finish = (cause: FinishCause = 'settled', error?: string) => finishJob(job.jobId, cause, error, ports);
  const machinesWereTold = async (): Promise<boolean> => {
    const read = await control.read('default');
    return read.kind === 'document' && isJobCancelled(read.document, job.jobId);
  };
  return { job, ports, tables, control, finish, machinesWereTold, stored: () => tables.jobs.get(job.jobId)?.job };
}

describe('the end of a job', () => {
  it.each<[string, FinishCause, Partial<Job>, Partial<Counters>, Job['status'], RegExp | null, boolean]>([
    ['all tasks completed', 'settled', {}, { completed: 3 }, 'COMPLETED', null, false],
    [
      'failures that are allowed',
      'settled',
      { allowedFailures: 1 },
      { completed: 2, failed: 1 },
      'COMPLETED',
      /1 of 3/,
      false,
    ],
    [
      'more failures than allowed',
      'settled',
      { allowedFailures: 1 },
      { completed: 1, failed: 2 },
      'FAILED',
      /2 of 3 .*1 allowed/,
      false,
    ],
    ['a cancellation', 'cancelled', { status: 'CANCELLING' }, { completed: 1 }, 'CANCELLED', /1 of 3/, true],
    ['a cancellation before anything ran', 'cancelled', { status: 'CANCELLING' }, {}, 'CANCELLED', /0 of 3/, true],
    [
      'a cancellation that came too late',
      'cancelled',
      { status: 'CANCELLING' },
      { completed: 3 },
      'COMPLETED',
      null,
      false,
    ],
    [
      'its time ran out',
      'timed-out',
      { maxDurationSeconds: 60 },
      { completed: 1, running: 1 },
      'FAILED',
      /within 60 s: 1 of 3/,
      true,
    ],
    ['its time ran out as the last task ended', 'timed-out', {}, { completed: 3 }, 'COMPLETED', null, false],
    [
      'an error of its execution',
      'error',
      {},
      { completed: 1, failed: 1 },
      'FAILED',
      /the queue is gone: 2 of 3/,
      true,
    ],
  ])('after %s', async (_what, cause, overrides, counters, status, reason, told) => {
    const { finish, stored, machinesWereTold } = prepare(overrides, counters);

    expect(await finish(cause, 'the queue is gone')).toEqual({ status, closedNow: true });

    expect(stored()).toMatchObject({ status, finishedAt: START, taskToken: null });
    if (reason) expect(stored()?.statusReason).toMatch(reason);
    else expect(stored()?.statusReason).toBeNull();
    expect(await machinesWereTold()).toBe(told);
  });

  it('is told to its machines before it is written: the cost stops first (lesson 33)', async () => {
    const { control, finish, stored } = prepare({ status: 'CANCELLING' });
    control.update = async () => {
      throw new TransientError('the bucket does not answer');
    };

    await expect(finish('cancelled')).rejects.toThrow(TransientError);
    expect(stored()?.status).toBe('CANCELLING');
  });

  it('counts a task that completes between the look at it and the fence', async () => {
    const { ports, tables, finish, stored, job } = prepare({}, { completed: 2 });
    const fence = ports.jobs.fence.bind(ports.jobs);
    ports.jobs.fence = async (jobId) => {
      tables.jobs.set(job.jobId, { job, counters: countersFactory({ completed: 3 }) });
      return fence(jobId);
    };

    await finish('timed-out');

    expect(stored()).toMatchObject({ status: 'COMPLETED', statusReason: null });
  });

  it('may be repeated, and changes nothing then', async () => {
    const { ports, finish, stored, job } = prepare({}, { completed: 3 });
    await finish();
    ports.clock.advance(60);
    const before = stored();

    expect(await finish('error', 'a late one')).toEqual({ status: 'COMPLETED', closedNow: false });

    expect(stored()).toEqual(before);
    expect(await ports.jobs.listOpen()).not.toContain(job.jobId);
  });

  it('that another run wrote in the meantime is the one that is told', async () => {
    const { ports, finish, job } = prepare({}, { completed: 3 });
    const close = ports.jobs.close.bind(ports.jobs);
    ports.jobs.close = async (jobId, outcome, now) => {
      await close(job.jobId, { status: 'FAILED', reason: 'by another run' }, now);
      return close(jobId, outcome, now);
    };

    expect(await finish()).toEqual({ status: 'FAILED', closedNow: false });
  });

  it('of a job that does not exist is beyond retrying', async () => {
    const { ports } = prepare();

    await expect(finishJob('job_unknown', 'settled', undefined, ports)).rejects.toThrow(PermanentError);
  });
});
