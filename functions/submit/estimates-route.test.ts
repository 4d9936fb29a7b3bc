import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../core/errors.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import type { Job } from '../../core/job.ts';
import type { ApiKey } from '../../core/ports.ts';
import { jobIdFactory } from '../../test/factories/ids.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { at, ManualClock, START } from '../../test/factories/manual-clock.ts';
import { offerFactory } from '../../test/factories/offer.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryOfferSource } from '../../test/fakes/in-memory-offer-source.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { estimatesRoute } from './estimates-route.ts';

const caller: ApiKey = { keyId: 'key-1', name: 'laptop', createdAt: START };
const fleets = fleetsOf(
  fleetsFileSchema.parse({ fleets: { default: { provider: 'aws' }, large: { provider: 'aws', maxInstances: 100 } } }),
);

function prepare() {
  const tables = new InMemoryTables();
  const offers = new InMemoryOfferSource([offerFactory()]);
  const route = estimatesRoute({ fleets }, { jobs: new InMemoryJobStore(tables), offers, clock: new ManualClock() });
  const ask = async (document: unknown) => {
    const request = { params: {}, query: {}, headers: { 'content-type': 'application/json' } };
    const { status, body } = await route({ ...request, body: JSON.stringify(document) }, caller);
    return { status, ...JSON.parse(JSON.stringify(body)) };
  };
  const ran = (overrides: Partial<Job>, index: number) => {
    const job = jobFactory({ jobId: jobIdFactory(index), status: 'COMPLETED', ...overrides });
    tables.jobs.set(job.jobId, { job, counters: countersFactory({ completed: 10, completedSeconds: 10 * index }) });
  };
  return { ask, ran, offers };
}

describe('POST /v1/estimates', () => {
  it('prices work on every fleet, or on the one that is named', async () => {
    const { ask } = prepare();

    const all = await ask({ taskCount: 10_000, expectedSeconds: 60 });
    const one = await ask({ taskCount: 10_000, expectedSeconds: 60, fleet: 'large' });

    expect(all.status).toBe(200);
    expect(all.estimates).toMatchObject([
      { fleet: 'default', machine: { count: 10 } },
      { fleet: 'large', machine: { count: 100 } },
    ]);
    expect(one.estimates).toEqual([all.estimates[1]]);
    expect(Date.parse(all.estimates[1].finishAt.likely)).toBeLessThan(Date.parse(all.estimates[0].finishAt.likely));
  });

  it('prices work on several fleets: on each alone, and split over them', async () => {
    const { ask } = prepare();
    const work = { taskCount: 1_000, expectedSeconds: 60 };

    const { estimates, split } = await ask({ ...work, fleet: ['large', 'default'] });

    expect(estimates).toMatchObject([{ fleet: 'large' }, { fleet: 'default' }]);
    expect(split).toMatchObject({ fleet: ['large', 'default'], shares: [{ tasks: 909 }, { tasks: 91 }] });
    const [large, other] = split.shares;
    expect(split.costUsd.likely).toBeCloseTo(large.estimate.costUsd.likely + other.estimate.costUsd.likely, 9);
    await expect(ask({ ...work, fleet: ['default', 'nowhere'] })).rejects.toMatchObject({
      faults: [{ path: 'fleet[1]' }],
    });
  });

  it('tells what cannot be had together', async () => {
    const { ask } = prepare();

    const { estimates } = await ask({ taskCount: 10_000, expectedSeconds: 60, fleet: 'default', deadline: at(600) });

    expect(estimates[0].conflicts).toEqual([expect.stringContaining('2026-03-01 12:10 UTC cannot be met')]);
  });

  it('refuses a deadline that is past, as a submission does, with all other faults', async () => {
    const { ask } = prepare();

    await expect(ask({ taskCount: 1, fleet: 'moon', deadline: at(-1) })).rejects.toMatchObject({
      message: 'the estimate has 2 faults',
      faults: [{ path: 'fleet' }, { path: 'deadline', message: 'is past' }],
    });
  });

  it('goes by what earlier jobs of the same command took, and by no others', async () => {
    const { ask, ran } = prepare();
    const { code } = jobFactory();
    ran({ name: 'a' }, 20);
    ran({ name: 'a' }, 40);
    ran({ name: 'b' }, 600);
    ran({ name: 'a', code: { ...code, run: ['other'] } }, 600);
    ran({ name: 'a', fleet: 'large' }, 600);
    ran({ name: 'a', status: 'FAILED' }, 600);

    const asked = { name: 'a', taskCount: 5, fleet: 'default', code: { repository: code.repository, run: code.run } };
    const { estimates } = await ask(asked);

    expect(estimates[0].secondsPerTask).toMatchObject({ likely: 30, basis: expect.stringContaining('20 tasks') });
  });

  it.each([
    [{}, ['taskCount']],
    [{ taskCount: 0, fleet: 7 }, ['taskCount', 'fleet']],
    [{ taskCount: 1, fleet: 'moon' }, ['fleet']],
    [{ taskCount: 1, tasks: [] }, ['tasks']],
    [{ taskCount: 1, budgetUsd: -1, deadline: 'soon' }, ['budgetUsd', 'deadline']],
    [{ taskCount: 1, code: { repository: 'x', run: [] } }, ['code.repository', 'code.run']],
  ])('refuses %j and names its faults', async (document, paths) => {
    const error = await prepare()
      .ask(document)
      .catch((thrown: unknown) => thrown);

    if (!(error instanceof ValidationError)) throw new Error('it was not refused', { cause: error });
    expect(error.faults.map(({ path }) => path).sort()).toEqual([...paths].sort());
  });
});
