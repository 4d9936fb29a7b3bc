import { describe, expect, it } from 'vitest';
import { countersFactory, jobFactory } from '../test/factories/job.ts';
import { at, START } from '../test/factories/manual-clock.ts';
import type { Counters } from './counters.ts';
import type { Job } from './job.ts';
import { secondsPerTask } from './task-seconds.ts';

const seconds = (job: Partial<Job>, counters: Partial<Counters> = {}, now = 600): number | null =>
  secondsPerTask({ job: jobFactory(job), counters: countersFactory(counters) }, new Date(at(now)));

describe('the seconds of a task', () => {
  it('are those measured, else expected, else learned from earlier jobs, else unknown', () => {
    const known = { expectedSeconds: 20, learnedSeconds: 30 };

    expect(seconds(known, { completed: 4, completedSeconds: 40 })).toBe(10);
    expect(seconds(known)).toBe(20);
    expect(seconds({ learnedSeconds: 30 })).toBe(30);
    expect(seconds({})).toBeNull();
  });

  it('are at least those that its first one has been running, and never above its time limit', () => {
    const running = { startedAt: START, timeoutSeconds: 900 };

    expect([30, 300, 3_000].map((now) => seconds(running, { running: 1 }, now))).toEqual([null, 300, 900]);
    expect(seconds(running, {}, 300)).toBeNull();
  });
});
