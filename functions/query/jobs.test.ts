import { describe, expect, it } from 'vitest';
import { NotFoundError, ValidationError } from '../../core/errors.ts';
import type { ApiKey } from '../../core/ports.ts';
import { jobIdFactory } from '../../test/factories/ids.ts';
import { jobFactory } from '../../test/factories/job.ts';
import { ManualClock, START } from '../../test/factories/manual-clock.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { jobRoutes } from './jobs.ts';

const caller: ApiKey = { keyId: 'key-1', name: 'laptop', createdAt: START };

async function prepare(statuses: Parameters<typeof jobFactory>[0][] = []) {
  const jobs = new InMemoryJobStore(new InMemoryTables());
  for (const [index, overrides] of statuses.entries()) {
    await jobs.create(jobFactory({ jobId: jobIdFactory(index + 1), ...overrides }), null);
  }
  const routes = jobRoutes({ jobs, clock: new ManualClock() });
  const ask = async (
    route: string,
    request: { query?: Record<string, string>; params?: Record<string, string> } = {},
  ) => {
    const found = routes[route];
    if (!found) throw new Error(`there is no route ${route}`);
    const answer = await found({ query: {}, params: {}, headers: {}, body: undefined, ...request }, caller);
    return { status: answer.status, body: JSON.parse(JSON.stringify(answer.body)) };
  };
  return { ask };
}

describe('GET /v1/jobs', () => {
  it('lists the newest first, page by page', async () => {
    const { ask } = await prepare([{}, {}, {}]);

    const first = await ask('GET /v1/jobs', { query: { limit: '2' } });
    const second = await ask('GET /v1/jobs', { query: { limit: '2', cursor: first.body.cursor } });

    const ids = [...first.body.jobs, ...second.body.jobs].map((job) => job.jobId);
    expect(ids).toEqual([3, 2, 1].map(jobIdFactory));
    expect(second.body.cursor).toBeNull();
  });

  it('filters by status', async () => {
    const { ask } = await prepare([{ status: 'RUNNING' }, { status: 'FAILED' }]);

    const { body } = await ask('GET /v1/jobs', { query: { status: 'FAILED' } });

    expect(body.jobs.map((job: { jobId: string }) => job.jobId)).toEqual([jobIdFactory(2)]);
  });

  it('lists none when there are none', async () => {
    const { ask } = await prepare();

    expect(await ask('GET /v1/jobs')).toEqual({ status: 200, body: { jobs: [], cursor: null } });
  });

  it('refuses what it does not understand, all at once', async () => {
    const { ask } = await prepare();

    const refused = ask('GET /v1/jobs', { query: { status: 'HAPPY', cursor: '7', limit: '0', sort: 'asc' } });

    await expect(refused).rejects.toThrow(ValidationError);
    await expect(refused).rejects.toMatchObject({
      faults: ['status', 'limit', 'cursor', 'sort'].map((path) => ({ path })),
    });
  });
});

describe('GET /v1/jobs/{jobId}', () => {
  it('shows the job with its counters', async () => {
    const { ask } = await prepare([{}]);

    const { status, body } = await ask('GET /v1/jobs/{jobId}', { params: { jobId: jobIdFactory() } });

    expect(status).toBe(200);
    expect(body).toMatchObject({ jobId: jobIdFactory(), counters: { pending: 3 } });
  });

  it.each([jobIdFactory(9), 'nonsense'])('knows no job %s', async (jobId) => {
    const { ask } = await prepare([{}]);

    await expect(ask('GET /v1/jobs/{jobId}', { params: { jobId } })).rejects.toThrow(NotFoundError);
  });
});
