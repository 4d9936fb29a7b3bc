import { describe, expect, it } from 'vitest';
import { NotFoundError, TransientError } from '../../core/errors.ts';
import type { Job, JobStatus } from '../../core/job.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { ManualClock, START } from '../../test/factories/manual-clock.ts';
import { InMemoryControlChannel } from '../../test/fakes/in-memory-control-channel.ts';
import { InMemoryJobMachine } from '../../test/fakes/in-memory-job-machine.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { cancelJob } from './cancel-job.ts';

function prepare(overrides: Partial<Job> = {}) {
  const tables = new InMemoryTables();
  const job = jobFactory(overrides);
  tables.jobs.set(job.jobId, { job, counters: countersFactory() });
  const machine = new InMemoryJobMachine();
  if (job.taskToken) machine.waitFor(job.taskToken);
  const control = new InMemoryControlChannel();
  const ports = { jobs: new InMemoryJobStore(tables), control, machine, clock: new ManualClock() };
  const cancelled = async () => {
    const read = await control.read('default');
    return read.kind === 'document' ? read.document.cancelledJobs : [];
  };
  return { job, ports, machine, control, tables, cancelled, cancel: () => cancelJob(job.jobId, ports) };
}

describe('cancelling', () => {
  it('a job that runs marks it, tells its machines and lets its execution go on', async () => {
    const { job, machine, cancelled, cancel } = prepare({ status: 'RUNNING', taskToken: 'token-1' });

    expect(await cancel()).toEqual({ jobId: job.jobId, status: 'CANCELLING' });

    expect(await cancelled()).toEqual([{ jobId: job.jobId, at: START }]);
    expect(machine.answers.get('token-1')).toBe('cancelling');
  });

  it('a job whose execution does not wait yet only marks it: the execution looks by itself', async () => {
    const { job, machine, cancelled, cancel } = prepare();

    expect(await cancel()).toEqual({ jobId: job.jobId, status: 'CANCELLING' });

    expect(await cancelled()).toHaveLength(1);
    expect(machine.answers.size).toBe(0);
  });

  it('writes no task: a task without a row is cancelled once its job is', async () => {
    const { tables, cancel } = prepare();

    await cancel();

    expect(tables.tasks.size).toBe(0);
  });

  it.each<JobStatus>(['COMPLETED', 'FAILED', 'CANCELLED'])(
    'a job that is %s changes nothing and says so',
    async (status) => {
      const { job, cancelled, cancel } = prepare({ status });

      expect(await cancel()).toEqual({ jobId: job.jobId, status });
      expect(await cancelled()).toEqual([]);
    },
  );

  it('twice is harmless, and makes good what a run that died left undone', async () => {
    const { control, machine, cancelled, cancel, tables, job } = prepare({ status: 'RUNNING', taskToken: 'token-1' });
    const update = control.update.bind(control);
    control.update = async () => {
      throw new TransientError('the bucket does not answer');
    };
    await expect(cancel()).rejects.toThrow(TransientError);
    expect(tables.jobs.get(job.jobId)?.job.status).toBe('CANCELLING');
    control.update = update;

    await cancel();
    await cancel();

    expect(await cancelled()).toHaveLength(1);
    expect(machine.answers.get('token-1')).toBe('cancelling');
  });

  it('again while its machines report does not cut that short', async () => {
    const { machine, cancel } = prepare({ status: 'CANCELLING', taskToken: 'token-2', awaits: 'machines' });

    await cancel();

    expect(machine.answers.size).toBe(0);
  });

  it('a job that does not exist is told so', async () => {
    const { ports } = prepare();

    await expect(cancelJob('job_unknown', ports)).rejects.toThrow(NotFoundError);
  });
});
