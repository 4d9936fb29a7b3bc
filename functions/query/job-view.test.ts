import { describe, expect, it } from 'vitest';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { at, START } from '../../test/factories/manual-clock.ts';
import { jobView } from './job-view.ts';

const NOW = new Date(at(120));
const running = (overrides = {}) => jobFactory({ status: 'RUNNING', startedAt: START, taskCount: 10, ...overrides });

describe('a job as its user sees it', () => {
  it('counts every task in exactly one place', () => {
    const counters = countersFactory({ running: 2, completed: 3, failed: 1, completedSeconds: 10 });

    const view = jobView({ job: running(), counters }, NOW);

    expect(view.counters).toEqual({ pending: 4, running: 2, completed: 3, failed: 1, cancelled: 0 });
    expect(view).toMatchObject({ progress: 0.4, tasksPerMinute: 2, secondsPerTask: 3.333, etaSeconds: 180 });
  });

  it('says what it cost, and what of that brought nothing', () => {
    const counters = countersFactory({ costUsd: 0.30000000000000004, lostSeconds: 12.5, lostUsd: 1e-7 });

    const view = jobView({ job: running({ retryOf: 'job_before' }), counters }, NOW);

    expect(view).toMatchObject({ costUsd: 0.3, lostSeconds: 12.5, lostUsd: 1e-7, retryOf: 'job_before' });
    expect(view.links).toMatchObject({
      failures: `/v1/jobs/${view.jobId}/failures`,
      audit: `/v1/jobs/${view.jobId}/audit`,
    });
  });

  it('says which fleet had which share of it, how far each is, and which were left', () => {
    const shares = [
      { fleet: 'a', tasks: 6 },
      { fleet: 'b', tasks: 4 },
    ];
    const left = [{ fleet: 'b', at: at(60), reason: 'its queues do not answer', to: [{ fleet: 'a', tasks: 4 }] }];
    const placement = { shares, left, reasons: ['by price'], at: at(60) };
    const job = running({ fleet: ['a', 'b'], placement, moved: { done: 1, chunk: 0 } });

    const view = jobView({ job, counters: countersFactory({ completed: 3, endedByFleet: { a: 3 } }) }, NOW);

    expect(view.fleet).toEqual(['a', 'b']);
    expect(view.placement).toEqual({
      ...placement,
      shares: [
        { fleet: 'a', tasks: 6, ended: 3 },
        { fleet: 'b', tasks: 4, ended: 0 },
      ],
    });
    expect(view).not.toHaveProperty('moved');
    expect(jobView({ job: running(), counters: countersFactory() }, NOW)).toMatchObject({
      fleet: 'default',
      placement: null,
    });
  });

  it('keeps to itself what is no concern of users', () => {
    const view = jobView({ job: running({ taskToken: 'secret', keyed: true }), counters: countersFactory() }, NOW);

    expect(JSON.stringify(view)).not.toMatch(/secret|keyed|taskToken|sweep/);
    expect(view.links.self).toBe(`/v1/jobs/${view.jobId}`);
  });

  it('shows the latest trouble, but not what we make of it', () => {
    const told = { at: at(9), taskId: null, instanceId: 'i-1', reason: 'setup failed', count: 2, since: at(3) };
    const problem = { ...told, machines: ['i-1'], tasksEnded: 4, hopeless: false };

    const view = jobView({ job: running({ problem }), counters: countersFactory() }, NOW);

    expect(view.problem).toEqual({ ...told, machines: ['i-1'] });
    expect(jobView({ job: running(), counters: countersFactory() }, NOW).problem).toBeNull();
  });

  it('measures nothing before anything is done', () => {
    const waiting = jobView({ job: jobFactory(), counters: countersFactory() }, NOW);
    const begun = jobView({ job: running(), counters: countersFactory({ running: 1 }) }, NOW);

    for (const view of [waiting, begun]) {
      expect(view).toMatchObject({ progress: 0, tasksPerMinute: null, secondsPerTask: null, etaSeconds: null });
    }
  });

  it('expects an end of slow tasks too', () => {
    const hourLater = new Date(at(3_600));

    const view = jobView({ job: running(), counters: countersFactory({ completed: 1 }) }, hourLater);

    expect(view.etaSeconds).toBe(9 * 3_600);
    expect(view.tasksPerMinute).toBeCloseTo(1 / 60, 3);
  });

  it('shows what did not end by itself as cancelled, once the job is closed', () => {
    const job = running({ status: 'CANCELLED', finishedAt: at(60) });

    const view = jobView({ job, counters: countersFactory({ running: 1, completed: 2, failed: 1 }) }, NOW);

    expect(view.counters).toEqual({ pending: 0, running: 0, completed: 2, failed: 1, cancelled: 7 });
    expect(view).toMatchObject({ progress: 1, tasksPerMinute: 3, etaSeconds: null });
  });
});
