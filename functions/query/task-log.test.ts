import { describe, expect, it } from 'vitest';
import { NotFoundError, ValidationError } from '../../core/errors.ts';
import type { EndedAttempt } from '../../core/task.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { at, START } from '../../test/factories/manual-clock.ts';
import { taskRecordFactory } from '../../test/factories/task-record.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { InMemoryTaskStore } from '../../test/fakes/in-memory-task-store.ts';
import { taskRoutes } from './tasks.ts';

const attemptOf = (attempt: number, log?: EndedAttempt['log']): EndedAttempt => ({
  attempt,
  leaseId: `lease-${attempt}`,
  instanceId: 'i-1',
  outcome: 'failed',
  charged: true,
  reason: null,
  exitCode: 1,
  seconds: 1,
  endedAt: at(10),
  ...(log ? { log } : {}),
});

/** A task whose first attempt printed something, whose second did not, and whose third printed again. */
async function prepare(third = 'third time lucky') {
  const tables = new InMemoryTables();
  tables.jobs.set(jobIdFactory(), { job: jobFactory({ taskCount: 2 }), counters: countersFactory() });
  const blobs = new InMemoryBlobStore();
  await blobs.put('one', 'first try ☃', 'text/plain');
  await blobs.put('three', third, 'text/plain');
  const log = (blob: string, bytes: number) => ({ blob, bytes, truncated: false });
  const attempts = [attemptOf(1, log('one', 13)), attemptOf(2), attemptOf(3, log('three', third.length))];
  const row = taskRecordFactory({ attempts, attempt: 3 });
  tables.tasks.set(row.taskId, row);
  const routes = taskRoutes({
    jobs: new InMemoryJobStore(tables),
    tasks: new InMemoryTaskStore(tables),
    blobs,
    links: blobs,
  });
  const caller = { keyId: 'key-1', name: 'laptop', createdAt: START };
  return (index: number, query: Record<string, string> = {}) =>
    routes['GET /v1/tasks/{taskId}/logs']?.(
      { query, params: { taskId: taskIdFactory(index) }, headers: {}, body: undefined },
      caller,
    );
}

describe('GET /v1/tasks/{taskId}/logs', () => {
  it('is what the last attempt printed, as text', async () => {
    const ask = await prepare();

    expect(await ask(0)).toEqual({
      status: 200,
      body: 'third time lucky',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
    });
  });

  it('is what another attempt printed, when asked', async () => {
    const ask = await prepare();

    expect(await ask(0, { attempt: '1' })).toMatchObject({ body: 'first try ☃' });
  });

  it.each([
    ['an attempt that printed nothing', 0, { attempt: '2' }, 'attempt 2 printed nothing but its result, if anything'],
    ['an attempt that was never made', 0, { attempt: '4' }, 'no attempt 4 of this task has ended'],
    ['a task that has not ended yet', 1, {}, 'no attempt of this task has ended'],
    ['a task that is none', 2, {}, 'there is no such task'],
  ])('of %s is not found', async (_what, index, query, message) => {
    const ask = await prepare();

    await expect(ask(index, query as Record<string, string>)).rejects.toThrow(new NotFoundError(message));
  });

  it.each(['0', '-1', 'last', '1.5'])('takes no attempt called %j', async (attempt) => {
    const ask = await prepare();

    await expect(ask(0, { attempt })).rejects.toThrow(ValidationError);
  });

  it('is only the end of it where an answer cannot hold it all', async () => {
    const ask = await prepare('\u0000'.repeat(1_000_000));

    const answer = await ask(0);

    expect(String(answer?.body)).toMatch(/^… 300000 bytes are left out here …\n/);
    expect(JSON.stringify(answer?.body).length).toBeLessThan(6_000_000);
  });
});
