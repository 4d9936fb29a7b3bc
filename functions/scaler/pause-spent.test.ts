import { describe, expect, it } from 'vitest';
import { withPausedJob } from '../../core/control-document.ts';
import { TransientError } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { at, ManualClock } from '../../test/factories/manual-clock.ts';
import { InMemoryControlChannel } from '../../test/fakes/in-memory-control-channel.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { pauseSpent, tellMachines } from './pause-spent.ts';

function prepare(overrides: Partial<Job>, costUsd: number, completed = 1) {
  const tables = new InMemoryTables();
  const job = jobFactory({ status: 'RUNNING', taskCount: 3, ...overrides });
  tables.jobs.set(job.jobId, { job, counters: countersFactory({ costUsd, completed }) });
  const control = new InMemoryControlChannel();
  const failures: unknown[] = [];
  const ports = {
    jobs: new InMemoryJobStore(tables),
    control,
    clock: new ManualClock(),
    onJobFailed: (_jobId: string, error: unknown) => failures.push(error),
    onFleetFailed: (_fleet: string, error: unknown) => failures.push(error),
  };
  const run = async () => {
    const now = await pauseSpent([...tables.jobs.values()], ports);
    await tellMachines(now, ports);
    return now;
  };
  const paused = async (): Promise<string[]> => {
    const read = await control.read('default');
    return read.kind === 'document' ? read.document.pausedJobs.map(({ jobId }) => jobId) : [];
  };
  return { job, control, failures, run, paused, stored: () => tables.jobs.get(job.jobId)?.job };
}

describe('a job that has spent its budget', () => {
  it('is paused, says why, and its machines are told (promise 5)', async () => {
    const { job, run, paused, stored } = prepare({ budgetUsd: 5 }, 5.004);

    const [now] = await run();

    expect(stored()).toMatchObject({
      status: 'PAUSED',
      pausedFor: 'budget',
      statusReason: 'paused at its budget: $5.00 of $5.00 are spent',
    });
    expect(now?.job.status).toBe('PAUSED');
    expect(await paused()).toEqual([job.jobId]);
  });

  it('whose machines could not be told is told of at the next look', async () => {
    const { job, control, failures, run, paused } = prepare({ budgetUsd: 5 }, 6);
    const update = control.update.bind(control);
    control.update = async () => {
      throw new TransientError('the control document is contended');
    };
    await run();
    expect(failures).toHaveLength(1);
    control.update = update;

    await run();

    expect(await paused()).toEqual([job.jobId]);
  });
});

describe('a job that goes on', () => {
  it('is paused for its machines no longer, though whoever let it go on died, or was overtaken, before it could tell', async () => {
    const { job, control, run, paused } = prepare({ budgetUsd: null }, 1);
    await control.update('default', (document) => withPausedJob(document, job.jobId, new Date(0)));

    await run();

    expect(await paused()).toEqual([]);
  });
});

describe('the control document', () => {
  it('forgets jobs that ended while they were paused, but none that was paused a moment ago', async () => {
    const { job, control, run, paused } = prepare({ status: 'PAUSED', pausedFor: 'request' }, 0);
    await control.update('default', (document) => withPausedJob(document, 'job_long_ago', new Date(at(-601))));
    await control.update('default', (document) => withPausedJob(document, 'job_lately', new Date(at(-1))));

    await run();

    expect((await paused()).sort()).toEqual(['job_lately', job.jobId].sort());
  });
});

describe('a job goes on', () => {
  it.each([
    ['within its budget', prepare({ budgetUsd: 5 }, 4.999)],
    ['without a budget', prepare({ budgetUsd: null }, 1_000)],
    ['when its last task has ended', prepare({ budgetUsd: 5 }, 6, 3)],
    ['to its end when it is being cancelled', prepare({ budgetUsd: 5, status: 'CANCELLING' }, 6)],
  ])('%s', async (_when, { job, run, paused, stored }) => {
    await run();

    expect(stored()).toEqual(job);
    expect(await paused()).toEqual([]);
  });
});
