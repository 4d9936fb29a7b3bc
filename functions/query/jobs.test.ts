import { describe, expect, it } from 'vitest';
import { CatalogueOfferSource } from '../../adapters/catalogue/catalogue-offer-source.ts';
import type { Counters } from '../../core/counters.ts';
import { NotFoundError, TransientError, ValidationError } from '../../core/errors.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import type { ApiKey, OfferSource } from '../../core/ports.ts';
import { jobIdFactory } from '../../test/factories/ids.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { ManualClock, START } from '../../test/factories/manual-clock.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { jobRoutes } from './jobs.ts';

const caller: ApiKey = { keyId: 'key-1', name: 'laptop', createdAt: START };

const FLEETS = fleetsOf(
  fleetsFileSchema.parse({ fleets: { default: { provider: 'aws' }, other: { provider: 'aws' } } }),
);

async function prepare(
  statuses: Parameters<typeof jobFactory>[0][] = [],
  offers: Pick<OfferSource, 'list'> = new CatalogueOfferSource(),
) {
  const tables = new InMemoryTables();
  const jobs = new InMemoryJobStore(tables);
  for (const [index, overrides] of statuses.entries()) {
    await jobs.create(jobFactory({ jobId: jobIdFactory(index + 1), ...overrides }), null);
  }
  const routes = jobRoutes({ jobs, clock: new ManualClock(), fleets: FLEETS, offers });
  const ask = async (
    route: string,
    request: { query?: Record<string, string>; params?: Record<string, string> } = {},
  ) => {
    const found = routes[route];
    if (!found) throw new Error(`there is no route ${route}`);
    const answer = await found({ query: {}, params: {}, headers: {}, body: undefined, ...request }, caller);
    return { status: answer.status, body: JSON.parse(JSON.stringify(answer.body)) };
  };
  return { ask, tables };
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

describe('what the rest of a job will cost', () => {
  const jobId = jobIdFactory(1);
  const estimateOf = async (
    overrides: Parameters<typeof jobFactory>[0],
    counters: Partial<Counters> = {},
    offers?: OfferSource,
  ) => {
    const { ask, tables } = await prepare([{ taskCount: 1_000, ...overrides }], offers);
    const job = tables.jobs.get(jobId)?.job;
    if (job) tables.jobs.set(jobId, { job, counters: countersFactory(counters) });
    return (await ask('GET /v1/jobs/{jobId}', { params: { jobId } })).body.estimate;
  };

  it('is told by its own first tasks, the better the more there are, whatever was expected', async () => {
    const before = await estimateOf({ status: 'RUNNING', expectedSeconds: 10 });
    const first = await estimateOf({ status: 'RUNNING', expectedSeconds: 10 }, { completed: 4, completedSeconds: 400 });
    const later = await estimateOf(
      { status: 'RUNNING', expectedSeconds: 10 },
      { completed: 400, completedSeconds: 40_000 },
    );

    expect(before.secondsPerTask).toMatchObject({ likely: 10, basis: 'as expectedSeconds says' });
    expect(first.secondsPerTask).toEqual({ low: 50, likely: 100, high: 150, basis: 'measured: 4 tasks of this job' });
    expect(later.secondsPerTask).toMatchObject({ low: 95, likely: 100, high: 105 });
    expect(first.costUsd.likely).toBeGreaterThan(before.costUsd.likely * 5);
    // Less is left.
    expect(later.costUsd.likely).toBeLessThan(first.costUsd.likely);
  });

  it('says when a budget will not do after all', async () => {
    const counters = { completed: 10, completedSeconds: 10_000, costUsd: 0.4 };

    const { conflicts } = await estimateOf({ status: 'RUNNING', budgetUsd: 0.5 }, counters);

    expect(conflicts.join(' ')).toContain('$0.10 will not do');
  });

  it('is counted over the fleets that have what is left', async () => {
    const placement = {
      shares: [
        { fleet: 'default', tasks: 600 },
        { fleet: 'other', tasks: 400 },
      ],
      left: [],
      reasons: ['by price'],
      at: START,
    };
    const fleet = ['default', 'other'];

    const estimate = await estimateOf(
      { status: 'RUNNING', fleet, placement },
      { completed: 100, completedSeconds: 100, endedByFleet: { other: 100 } },
    );

    expect(estimate.shares.map(({ tasks }: { tasks: number }) => tasks)).toEqual([600, 300]);
  });

  it('is not told of a job that has ended, nor without prices', async () => {
    const list = () => Promise.reject(new TransientError('no prices'));

    expect(await estimateOf({ status: 'COMPLETED' })).toBeNull();
    expect(await estimateOf({ status: 'RUNNING' }, {}, { list })).toBeNull();
  });
});
