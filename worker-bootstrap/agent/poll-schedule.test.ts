import { describe, expect, it } from 'vitest';
import type { Priority } from '../../core/ids.ts';
import { PollSchedule } from './poll-schedule.ts';

/** Asks so many times, every 100 ms; `work` are the queues that have something. */
function ask(times: number, work: readonly Priority[]): string[] {
  const schedule = new PollSchedule({ restSeconds: 5, longPollSeconds: 10 });
  return Array.from({ length: times }, (_, index) => {
    const now = index * 100;
    const { priority, waitSeconds } = schedule.next(now);
    schedule.report(priority, work.includes(priority), now);
    return `${priority} ${waitSeconds}`;
  });
}

describe('the poll schedule', () => {
  it('asks high before normal before low, then waits long on normal', () => {
    expect(ask(5, [])).toEqual(['high 0', 'normal 0', 'low 0', 'normal 10', 'normal 10']);
  });

  it('keeps to the highest queue that has work', () => {
    expect(ask(3, ['high', 'low'])).toEqual(['high 0', 'high 0', 'high 0']);
  });

  it('asks an empty higher queue now and then, not before every receive', () => {
    const asked = ask(101, ['normal']);

    expect(asked.filter((each) => each === 'high 0')).toHaveLength(3);
    expect(asked.filter((each) => each === 'normal 0')).toHaveLength(98);
  });

  it('waits on the queue that brought something last', () => {
    const schedule = new PollSchedule({ restSeconds: 5, longPollSeconds: 10 });
    schedule.report('low', true, 0);
    for (const priority of ['high', 'normal', 'low'] as const) schedule.report(priority, false, 0);

    expect(schedule.next(1)).toEqual({ priority: 'low', waitSeconds: 10 });
    // With nothing to do, a second is spent on asking all of SQS's servers.
    expect(schedule.next(6_000)).toEqual({ priority: 'high', waitSeconds: 1 });
  });
});
