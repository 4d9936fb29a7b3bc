/** The chaos run's verdict can fail: each fault that it looks for, planted. */
import { describe, expect, it } from 'vitest';
import type { TaskRecord } from '../../core/task.ts';
import { seededRandom } from '../../local/emulators/faults/faults.ts';
import { jobIdFactory } from '../factories/ids.ts';
import { countersFactory, jobFactory } from '../factories/job.ts';
import { endedAttemptFactory, failureFactory, taskRecordFactory } from '../factories/task-record.ts';
import { readArguments } from './arguments.ts';
import { drawAttack } from './attacks.ts';
import { type ChaosTask, chaosTasks } from './chaos-tasks.ts';
import { reportOf } from './report.ts';
import { type JudgedJob, verdictOn } from './verdict.ts';

const tasks: readonly ChaosTask[] = [
  { n: 0, kind: 'quick' },
  { n: 1, kind: 'temporary' },
  { n: 2, kind: 'fatal' },
];
const completed = (index: number, overrides: Partial<TaskRecord> = {}): TaskRecord =>
  taskRecordFactory({
    index,
    status: 'COMPLETED',
    result: { json: `{"n":${index},"square":${index * index}}` },
    attempts: [endedAttemptFactory({ outcome: 'completed', charged: false, exitCode: null })],
    ...overrides,
  });
const rows: readonly TaskRecord[] = [
  completed(0),
  completed(1, {
    attempts: [endedAttemptFactory(), endedAttemptFactory({ attempt: 2, outcome: 'completed', charged: false })],
  }),
  taskRecordFactory({
    index: 2,
    status: 'FAILED',
    failure: failureFactory({ exitCode: 1 }),
    attempts: [endedAttemptFactory({ exitCode: 1 })],
  }),
];

function judged(changed: readonly TaskRecord[] = [], counters = { completed: 2, failed: 1 }): JudgedJob {
  const byIndex = new Map([...rows, ...changed].map((row) => [row.index, row]));
  const job = jobFactory({ status: 'COMPLETED', taskCount: tasks.length });
  return { progress: { job, counters: countersFactory(counters) }, tasks, rows: [...byIndex.values()] };
}

const broken = (job: JudgedJob, left: readonly string[] = []): string[] =>
  verdictOn([job], left).flatMap(({ promise, held, finding }) => (held ? [] : [`${promise}: ${finding}`]));

describe('the verdict on a chaos run', () => {
  it('is that all held, when it did', () => {
    expect(broken(judged())).toEqual([]);
  });

  it.each([
    [
      'a task that has not ended',
      [taskRecordFactory({ index: 0 })],
      { running: 1, completed: 1, failed: 1 },
      'every task is terminal',
    ],
    ['a count that is wrong', [], { completed: 3, failed: 1 }, 'counters equal rows'],
    ['a wrong result', [completed(0, { result: { json: '{"n":0,"square":7}' } })], undefined, 'each result is right'],
    [
      'a result counted twice',
      [completed(0, { attempts: [...completed(0).attempts, ...completed(0).attempts] })],
      undefined,
      'each result is right',
    ],
    [
      'a loss that was charged',
      [
        completed(0, {
          attempts: [endedAttemptFactory({ exitCode: null, reason: 'killed' }), ...completed(0).attempts],
        }),
      ],
      undefined,
      'no attempt is charged for a loss',
    ],
  ])('names %s', (_what, changed, counters, promise) => {
    const found = broken(judged(changed, counters as { completed: number; failed: number } | undefined));

    expect(found.some((each) => each.startsWith(promise))).toBe(true);
  });

  it('names a task without a row, a job that failed, and a process that is left', () => {
    const job = judged();
    const { progress } = job;
    const failed = { ...progress, job: { ...progress.job, status: 'FAILED' as const, statusReason: 'too late' } };

    const found = broken({ ...job, progress: failed, rows: rows.slice(1) }, ['4711 agent.mjs']);

    expect(found).toEqual([
      `every job ends as it should: ${jobIdFactory()} of 3 tasks is FAILED (too late)`,
      `counters equal rows: ${jobIdFactory()} counts 2 completed, its rows 1`,
      'each result is right and counted once: task 0 (quick) has no row',
      'no process is left: 4711 agent.mjs',
    ]);
  });
});

describe('a chaos run', () => {
  it('draws the same tasks and attacks from the same seed', () => {
    const draw = (seed: number) => {
      const random = seededRandom(seed);
      return [chaosTasks(50, random), Array.from({ length: 50 }, () => drawAttack(random, true)?.name)];
    };

    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('that is short does nothing whose loss comes back late', () => {
    const random = seededRandom(1);
    const drawn = (isLongRun: boolean) =>
      new Set(Array.from({ length: 500 }, () => drawAttack(random, isLongRun)?.name));

    expect([...drawn(true)].filter((name) => !drawn(false).has(name))).toEqual(['queues emptied by a restart']);
  });

  it('refuses options that make no sense, and draws a seed where none is given', () => {
    const read = (...args: string[]) => readArguments(args, () => 4711);

    expect(read('--tasks', '60', '--minutes', '0.2', '--json')).toEqual({
      tasks: 60,
      minutes: 0.2,
      seed: 4711,
      data: undefined,
      json: true,
    });
    expect(read('--help')).toBe('help');
    expect(() => read('--tasks', 'many')).toThrow('--tasks must be a number from 4 to 100000');
    expect(() => read('--hours', '2')).toThrow(/--hours/);
  });

  it('ends with one line that says it all', () => {
    const report = {
      seed: 7,
      tasks: 60,
      seconds: 30,
      done: { 'agents killed (-9)': 2 },
      folder: '/x',
      promises: verdictOn([judged()], []),
    };

    expect(
      reportOf({ ...report, held: true })
        .split('\n')
        .at(-1),
    ).toBe('HELD: 60 tasks, 2 blows in 30 s, seed 7');
    expect(
      reportOf({ ...report, held: false })
        .split('\n')
        .at(-1),
    ).toMatch(/^BROKEN: .*seed 7; the run is kept in \/x$/);
  });
});
