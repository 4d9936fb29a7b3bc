import { describe, expect, it } from 'vitest';
import { ConflictError, NotFoundError, ValidationError } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { ManualClock, START } from '../../test/factories/manual-clock.ts';
import { InMemoryControlChannel } from '../../test/fakes/in-memory-control-channel.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { InMemoryWaker } from '../../test/fakes/in-memory-waker.ts';
import { amendJob } from './amend-job.ts';

function prepare(overrides: Partial<Job> = {}, costUsd = 0) {
  const tables = new InMemoryTables();
  const job = jobFactory({ status: 'RUNNING', ...overrides });
  tables.jobs.set(job.jobId, { job, counters: countersFactory({ costUsd }) });
  const control = new InMemoryControlChannel();
  const waker = new InMemoryWaker();
  const ports = { jobs: new InMemoryJobStore(tables), control, waker, clock: new ManualClock() };
  const paused = async (): Promise<string[]> => {
    const read = await control.read('default');
    return read.kind === 'document' ? read.document.pausedJobs.map(({ jobId }) => jobId) : [];
  };
  const stored = (): Job | undefined => tables.jobs.get(job.jobId)?.job;
  return { job, control, waker, paused, stored, amend: (body: unknown) => amendJob(job.jobId, body, ports), ports };
}

describe('a change of a job', () => {
  it('sets what it names, leaves the rest, and wakes the scaler', async () => {
    const { job, stored, waker, amend } = prepare({ budgetUsd: 5, maxInstances: 3 });

    const { job: after } = await amend({ maxInstances: 20, priority: 'high' });

    expect(after).toEqual({ ...job, maxInstances: 20, priority: 'high', priorities: ['normal', 'high'] });
    expect(stored()).toEqual(after);
    expect(waker.wakes).toBe(1);
  });

  it('leaves a job over several fleets a machine for each of them that has tasks', async () => {
    const shares = ['a', 'b', 'c'].map((fleet, index) => ({ fleet, tasks: 2 - index }));
    const { amend, stored } = prepare({
      fleet: ['a', 'b', 'c'],
      placement: { shares, left: [], reasons: [], at: START },
    });

    const refused = await amend({ maxInstances: 1 }).catch((error: unknown) => error);
    await amend({ maxInstances: 2 });

    expect(refused).toMatchObject({
      faults: [{ path: 'maxInstances', message: expect.stringContaining('at least 2') }],
    });
    expect(stored()?.maxInstances).toBe(2);
  });

  it('takes a limit away with null', async () => {
    const { amend } = prepare({ budgetUsd: 5, maxInstances: 3 });

    expect((await amend({ budgetUsd: null, maxInstances: null })).job).toMatchObject({
      budgetUsd: null,
      maxInstances: null,
    });
  });

  it.each([
    ['that changes nothing', {}],
    ['of what cannot be changed', { fleet: 'other' }],
    ['with faults', { budgetUsd: -1, maxInstances: 0, priority: 'urgent', paused: 'yes' }],
    ['that is no object', null],
  ])('%s is refused, and changes nothing', async (_what, body) => {
    const { job, stored, amend } = prepare();

    await expect(amend(body)).rejects.toThrow(ValidationError);
    expect(stored()).toEqual(job);
  });

  it('is told all its faults at once', async () => {
    const { amend } = prepare();
    const refused = await amend({ budgetUsd: -1, priority: 'urgent' }).catch((error: unknown) => error);

    expect(refused).toMatchObject({ faults: [{ path: 'budgetUsd' }, { path: 'priority' }] });
  });

  it.each(['CANCELLING', 'COMPLETED', 'FAILED', 'CANCELLED'] as const)(
    'comes too late when it is %s',
    async (status) => {
      await expect(prepare({ status }).amend({ priority: 'low' })).rejects.toThrow(ConflictError);
    },
  );

  it('needs a job', async () => {
    await expect(amendJob('job_unknown', { priority: 'low' }, prepare().ports)).rejects.toThrow(NotFoundError);
  });
});

describe('a pause', () => {
  it('is written, then told to the machines; going on takes both back', async () => {
    const { job, paused, waker, amend } = prepare();

    const { job: during } = await amend({ paused: true });
    const told = await paused();
    const wakesWhilePaused = waker.wakes;
    const { job: after } = await amend({ paused: false });

    expect(during).toMatchObject({ status: 'PAUSED', pausedFor: 'request', statusReason: 'paused on request' });
    expect(told).toEqual([job.jobId]);
    expect(wakesWhilePaused).toBe(0);
    expect(after).toMatchObject({ status: 'RUNNING', pausedFor: null, statusReason: null });
    expect(await paused()).toEqual([]);
    expect(waker.wakes).toBe(1);
  });

  it('at the budget ends when the budget is raised above what is spent', async () => {
    const { amend, paused } = prepare({ status: 'PAUSED', pausedFor: 'budget', budgetUsd: 5 }, 5.2);

    await expect(amend({ budgetUsd: 5.1 })).rejects.toMatchObject({ faults: [{ path: 'budgetUsd' }] });
    await expect(amend({ paused: false })).rejects.toMatchObject({ faults: [{ path: 'budgetUsd' }] });
    expect((await amend({ budgetUsd: 8 })).job).toMatchObject({ status: 'RUNNING', budgetUsd: 8 });
    expect(await paused()).toEqual([]);
  });

  it('on request outlasts a raised budget', async () => {
    const { amend } = prepare({ status: 'PAUSED', pausedFor: 'request', budgetUsd: 5 });

    expect((await amend({ budgetUsd: 8 })).job.status).toBe('PAUSED');
  });

  it('asked for again tells the machines again: a run that died in between is made good', async () => {
    const { job, amend, paused } = prepare({ status: 'PAUSED', pausedFor: 'request' });

    await amend({ paused: true });

    expect(await paused()).toEqual([job.jobId]);
  });
});
