import { describe, expect, it } from 'vitest';
import type { Counters } from '../../core/counters.ts';
import { PermanentError } from '../../core/errors.ts';
import type { Job } from '../../core/job.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { ManualClock, START } from '../../test/factories/manual-clock.ts';
import { InMemoryJobMachine } from '../../test/fakes/in-memory-job-machine.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { awaitCompletion } from './await-completion.ts';

const TOKEN = 'token-1';

function prepare(overrides: Partial<Job> = {}, counters: Partial<Counters> = {}) {
  const tables = new InMemoryTables();
  const job = jobFactory(overrides);
  tables.jobs.set(job.jobId, { job, counters: countersFactory(counters) });
  const machine = new InMemoryJobMachine();
  machine.waitFor(TOKEN);
  const ports = { jobs: new InMemoryJobStore(tables), machine, clock: new ManualClock(START) };
  const wait = (cancelling = false) => awaitCompletion(job.jobId, TOKEN, cancelling, ports);
  return { stored: () => tables.jobs.get(job.jobId)?.job, machine, wait, ports };
}

describe('a job that begins to wait', () => {
  it('stores its token, and is ENQUEUED', async () => {
    const { stored, machine, wait } = prepare();

    expect(await wait()).toEqual({ signalled: null });

    expect(stored()).toMatchObject({ status: 'ENQUEUED', taskToken: TOKEN });
    expect(machine.answers.size).toBe(0);
  });

  it('keeps its status when its tasks run already', async () => {
    const { stored, wait } = prepare({ status: 'RUNNING' }, { running: 1 });

    expect(await wait()).toEqual({ signalled: null });
    expect(stored()).toMatchObject({ status: 'RUNNING', taskToken: TOKEN });
  });

  it('need not wait when its last report came before its token', async () => {
    const { machine, wait } = prepare({ status: 'RUNNING' }, { completed: 2, failed: 1 });

    expect(await wait()).toEqual({ signalled: 'settled' });

    expect(machine.answers.get(TOKEN)).toBe('settled');
  });

  it('need not wait when it was closed meanwhile', async () => {
    const { machine, wait } = prepare({ status: 'CANCELLED' });

    expect(await wait()).toEqual({ signalled: 'settled' });
    expect(machine.answers.get(TOKEN)).toBe('settled');
  });

  it('learns that it was cancelled meanwhile', async () => {
    const { machine, wait } = prepare({ status: 'CANCELLING' }, { running: 1 });

    expect(await wait()).toEqual({ signalled: 'cancelling' });
    expect(machine.answers.get(TOKEN)).toBe('cancelling');
  });

  it('with a token that is spent meets no error', async () => {
    const { machine, wait } = prepare({ status: 'CANCELLING' });
    machine.timeOut(TOKEN);

    await expect(wait()).resolves.toEqual({ signalled: 'cancelling' });
  });

  it('that does not exist is beyond retrying', async () => {
    const { ports } = prepare();

    await expect(awaitCompletion('job_unknown', TOKEN, false, ports)).rejects.toThrow(PermanentError);
  });
});

describe('a job that waits for its machines after it was cancelled', () => {
  it('waits while any task runs', async () => {
    const { stored, machine, wait } = prepare({ status: 'CANCELLING' }, { running: 1, completed: 1 });

    expect(await wait(true)).toEqual({ signalled: null });

    expect(stored()?.taskToken).toBe(TOKEN);
    expect(machine.answers.size).toBe(0);
  });

  it('goes on at once when nothing runs', async () => {
    const { machine, wait } = prepare({ status: 'CANCELLING' }, { completed: 1 });

    expect(await wait(true)).toEqual({ signalled: 'settled' });
    expect(machine.answers.get(TOKEN)).toBe('settled');
  });
});
