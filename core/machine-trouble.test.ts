import { describe, expect, it } from 'vitest';
import { taskIdFactory } from '../test/factories/ids.ts';
import { countersFactory } from '../test/factories/job.ts';
import { at } from '../test/factories/manual-clock.ts';
import type { JobProblem } from './job.ts';
import { isHopeless, type MachineTrouble, problemAfter } from './machine-trouble.ts';

const trouble = (seconds: number, instanceId: string): MachineTrouble => ({
  at: at(seconds),
  taskId: taskIdFactory(0),
  instanceId,
  reason: 'setup failed',
});

/** Trouble after trouble, each given as seconds, machine and tasks that have ended. */
function row(...troubles: readonly (readonly [number, string, number?])[]): JobProblem | null {
  return troubles.reduce<JobProblem | null>((before, [seconds, machine, ended = 0]) => {
    const one = trouble(seconds, machine);
    return problemAfter(before, [one], [one], ended);
  }, null);
}

const alternating = (count: number, stepSeconds: number) =>
  Array.from({ length: count }, (_, n) => [n * stepSeconds, `i-${n % 2}`] as const);
const ofOne = (count: number, stepSeconds: number) =>
  Array.from({ length: count }, (_, n) => [n * stepSeconds, 'i-1'] as const);

describe('trouble that machines have with a job', () => {
  it('is told with how often and since when', () => {
    expect(row([0, 'i-1'], [20, 'i-1'])).toEqual({
      ...trouble(20, 'i-1'),
      ...{ tasksEnded: 0, count: 2, since: at(0), machines: ['i-1'], hopeless: false },
    });
  });

  it.each([
    ['often, long, and on two machines', alternating(6, 120), true],
    ['not often', alternating(5, 60), false],
    ['not for long', alternating(100, 1), false],
    ['on one machine alone', ofOne(11, 60), false],
    ['very often on one machine', ofOne(12, 60), true],
  ])('is hopeless or not when it came %s', (_what, troubles, hopeless) => {
    expect(row(...troubles)?.hopeless).toBe(hopeless);
  });

  it('begins anew when a task ended in between', () => {
    const problem = row(...alternating(6, 120), [400, 'i-3', 1]);

    expect(problem).toMatchObject({ count: 1, since: at(400), machines: ['i-3'], tasksEnded: 1, hopeless: false });
  });

  it('is believed much later when tasks of the job have ended before: it can be prepared, as one sees', () => {
    const worked = (count: number, stepSeconds: number) =>
      alternating(count, stepSeconds).map(([seconds, machine]) => [seconds, machine, 3] as const);

    expect(row(...worked(60, 120))?.hopeless).toBe(false);
    expect(row(...worked(61, 120))?.hopeless).toBe(true);
  });

  it('is no reason to give up once a task has ended after all', () => {
    const problem = row(...alternating(6, 120));

    expect(isHopeless(problem, countersFactory({ running: 1 }))).toBe(true);
    expect(isHopeless(problem, countersFactory({ completed: 1 }))).toBe(false);
    expect(isHopeless(null, countersFactory())).toBe(false);
  });

  it('counts once a machine, however many tasks it gives back, and what was known before not at all', () => {
    const [one, two, known] = [trouble(1, 'i-1'), trouble(2, 'i-1'), trouble(3, 'i-2')] as const;

    expect(problemAfter(null, [one, two, known], [one, two], 0)).toMatchObject({ count: 1, at: at(3) });
  });
});
