/**
 * The promises of the status consumer, as properties: whatever reports come, in whatever order, however often, split
 * over whatever batches, handled by consumers that run at the same time and die between any two calls.
 */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addCounters, type Counters, deltaOf, zeroCounters } from '../../core/counters.ts';
import { TransientError } from '../../core/errors.ts';
import type { JobProblem } from '../../core/job.ts';
import type { StatusEvent, TaskEvent } from '../../core/messages.ts';
import { isTerminal, type TaskRecord } from '../../core/task.ts';
import { completedEvent, failedEvent, releasedEvent, startedEvent } from '../../test/factories/events.ts';
import { jobIdFactory, taskIdFactory } from '../../test/factories/ids.ts';
import { failureFactory } from '../../test/factories/task-record.ts';
import { InMemoryDeadLetterChannel } from '../../test/fakes/in-memory-dead-letter-channel.ts';
import type { InMemoryJobMachine } from '../../test/fakes/in-memory-job-machine.ts';
import type { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { InMemoryWaker } from '../../test/fakes/in-memory-waker.ts';
import { accountingWorld, TOKEN } from '../accounting/testing/accounting-world.ts';
import type { QueueRecord } from '../queue-batch.ts';
import { type ConsumePorts, consumeStatus } from './consume-status.ts';

const TASKS = 4;
const JOB = jobIdFactory();
/** Batches that consumers handle at the same time. */
const CONSUMERS = 3;

/** Reports of many machines on few tasks, so that they meet. */
const reportArbitrary: fc.Arbitrary<TaskEvent> = fc
  .record({
    index: fc.nat(TASKS - 1),
    attempt: fc.integer({ min: 1, max: 3 }),
    receiveCount: fc.integer({ min: 1, max: 2 }),
    machine: fc.constantFrom('i-1', 'i-2'),
    what: fc.constantFrom('started', 'completed', 'failed', 'fatal', 'released', 'lost'),
  })
  .map(({ index, attempt, receiveCount, machine, what }): TaskEvent => {
    const report = {
      taskId: taskIdFactory(index),
      attempt,
      receiveCount,
      instanceId: machine,
      leaseId: `lease-${attempt}-${receiveCount}-${machine}`,
    };
    switch (what) {
      case 'started':
        return startedEvent(report);
      case 'completed':
        return completedEvent({ ...report, seconds: attempt, result: { json: `"${report.leaseId}"` } });
      case 'failed':
        return failedEvent(report);
      case 'fatal':
        return failedEvent({ ...report, failure: failureFactory({ code: 'command-not-found' }) });
      case 'released':
        return releasedEvent(report);
      default:
        return releasedEvent({ ...report, cause: 'machine' });
    }
  });

/** Records with some reports each; some come more than once, in any order. */
const recordsArbitrary = fc
  .array(fc.array(reportArbitrary, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 8 })
  .chain((records) => fc.shuffledSubarray([...records, ...records], { minLength: records.length }));

const FAULTS = ['none', 'commit', 'written', 'send', 'sent', 'progress', 'signal'] as const;
type FaultyCall = (typeof FAULTS)[number];

interface World {
  readonly tables: InMemoryTables;
  readonly machine: InMemoryJobMachine;
  readonly ports: ConsumePorts;
  readonly sent: { taskId: string; attempt: number }[];
  /** Moments at which a promise did not hold: an assertion thrown among the ports would be taken for a fault. */
  readonly broken: string[];
}

/**
 * The fakes, with every call scheduled by fast-check, so that consumers interleave at every await, and failing where
 * `faults` says: before the call does anything, or after it has (`written`, `sent`).
 */
function prepare(scheduler: fc.Scheduler, faults: readonly FaultyCall[]): World {
  const { ports: quiet, tables, fleets, addJob } = accountingWorld();
  addJob({ status: 'ENQUEUED', startedAt: null, taskCount: TASKS });
  const { jobs, tasks, queues, machine } = quiet;
  const sent: World['sent'] = [];
  const ended = new Map<string, unknown>();
  const broken: string[] = [];
  const left = [...faults];
  const call = async <Result>(before: FaultyCall, work: () => Promise<Result>, after?: FaultyCall): Promise<Result> => {
    const fault = left[0];
    await scheduler.schedule(Promise.resolve(), before);
    const hits = fault === before || (after !== undefined && fault === after);
    if (fault === 'none' || hits) left.shift();
    if (fault === before) throw new TransientError(`no answer: ${before}`);
    const result = await work();
    if (after !== undefined && fault === after) throw new TransientError(`the answer was lost: ${after}`);
    return result;
  };
  const ports: ConsumePorts = {
    ...quiet,
    jobs: Object.assign(Object.create(jobs), {
      progress: (jobId: string) => call('progress', () => jobs.progress(jobId)),
      markRunning: (jobId: string, when: Date) => jobs.markRunning(jobId, when),
      reportProblem: (jobId: string, problem: JobProblem) => jobs.reportProblem(jobId, problem),
    }),
    tasks: {
      getMany: (taskIds) => call('none', () => tasks.getMany(taskIds)),
      listChunk: tasks.listChunk.bind(tasks),
      listByStatus: tasks.listByStatus.bind(tasks),
      listByInstance: tasks.listByInstance.bind(tasks),
      commit: (jobId, writes, delta) =>
        call(
          'commit',
          async () => {
            const outcome = await tasks.commit(jobId, writes, delta);
            for (const row of tables.tasks.values()) {
              const before = ended.get(row.taskId);
              if (before && !isDeepStrictEqual(withoutEvidence(row), before))
                broken.push(`${row.taskId} changed after its end`);
              if (isTerminal(row.status)) ended.set(row.taskId, structuredClone(withoutEvidence(row)));
            }
            const counters = tables.jobs.get(JOB)?.counters;
            if (counters && !isDeepStrictEqual(withoutLosses(counters), countersOfRows(tables)))
              broken.push('counters are not what the rows are');
            return outcome;
          },
          'written',
        ),
    },
    queues: (fleet, priority) => {
      const queue = queues(fleet, priority);
      return Object.assign(Object.create(queue), {
        send: (messages: Parameters<typeof queue.send>[0]) =>
          call(
            'send',
            async () => {
              sent.push(...messages.map(({ taskId, attempt }) => ({ taskId, attempt })));
            },
            'sent',
          ),
      });
    },
    machine: {
      start: (started) => machine.start(started),
      signal: (token, signal) => call('signal', () => machine.signal(token, signal)),
    },
    fleets,
    delayed: {
      send: (messages) =>
        call(
          'send',
          async () => {
            sent.push(...messages.map(({ message: { taskId, attempt } }) => ({ taskId, attempt })));
          },
          'sent',
        ),
    },
    deadLetters: new InMemoryDeadLetterChannel(),
    waker: new InMemoryWaker(),
  };
  return { tables, machine, ports, sent, broken };
}

/** What a late report may add to a task that has ended. */
const withoutEvidence = ({ staleReports, updatedAt, version, ...rest }: TaskRecord) => rest;
/** Losses are not to be read off a row: what a checkpoint kept is none. */
const withoutLosses = (counters: Counters): Counters => ({ ...counters, lostSeconds: 0 });

/** What the counters must be, by the rows. */
function countersOfRows(tables: InMemoryTables): Counters {
  return [...tables.tasks.values()]
    .map((row) => {
      const last = row.attempts.at(-1);
      return deltaOf('PENDING', row.status, {
        completedSeconds: row.status === 'COMPLETED' ? (last?.seconds ?? 0) : 0,
      });
    })
    .reduce(addCounters, zeroCounters);
}

/**
 * A queue with consumers: `CONSUMERS` batches at a time, what they return comes again, until only reports are left that
 * speak of attempts nobody made. Says which these are.
 */
async function drain(records: readonly QueueRecord[], ports: ConsumePorts): Promise<QueueRecord[]> {
  let waiting = [...records];
  for (let round = 0; round < 30 && waiting.length > 0; round += 1) {
    const size = Math.ceil(waiting.length / CONSUMERS);
    const batches = Array.from({ length: CONSUMERS }, (_, n) => waiting.slice(n * size, (n + 1) * size));
    const outcomes = await Promise.all(batches.map((batch) => consumeStatus(batch, ports)));
    const failed = new Map(outcomes.flatMap((outcome) => [...outcome.failed]));
    waiting = waiting
      .filter(({ messageId }) => failed.has(messageId))
      .map((record) => ({ ...record, receiveCount: record.receiveCount + 1 }));
    const wrote = outcomes.some(({ applied }) => applied.some(({ write }) => write !== null));
    const died = [...failed.values()].some((reason) => reason instanceof Error);
    if (!wrote && !died) break;
  }
  return waiting;
}

const recordsOf = (reports: readonly (readonly StatusEvent[])[]): QueueRecord[] =>
  reports.map((events, index) => ({
    messageId: `m-${index}`,
    body: JSON.stringify({ v: 1, source: 'i-1', events }),
    receiveCount: 1,
  }));

describe('any reports, doubled, reordered, split over consumers that meet and die', () => {
  it('leave counters equal to rows, terminal states as they were, no attempt unsent and no completion untold (lessons 1, 2, 3 and 12)', async () => {
    await fc.assert(
      fc.asyncProperty(
        recordsArbitrary,
        fc.array(fc.constantFrom(...FAULTS), { maxLength: 12 }),
        fc.scheduler(),
        async (reports, faults, scheduler) => {
          const { tables, machine, ports, sent, broken } = prepare(scheduler, faults);

          const left = await scheduler.waitFor(drain(recordsOf(reports), ports));

          const rows = [...tables.tasks.values()];
          expect(broken).toEqual([]);
          expect(withoutLosses(tables.jobs.get(JOB)?.counters ?? zeroCounters)).toEqual(countersOfRows(tables));

          // What is recorded as waiting was sent: nothing is lost between the two.
          for (const row of rows.filter((each) => each.status === 'PENDING')) {
            expect(row.attempt).toBeGreaterThan(1);
            expect(sent).toContainEqual({ taskId: row.taskId, attempt: row.attempt });
          }
          // What still comes back speaks of attempts that were never made; everything else was acknowledged.
          for (const { body } of left) {
            const events: TaskEvent[] = JSON.parse(body).events;
            const early = events.filter((event) => event.attempt > (tables.tasks.get(event.taskId)?.attempt ?? 1));
            expect(early).not.toEqual([]);
          }
          const allEnded = rows.length === TASKS && rows.every((row) => isTerminal(row.status));
          expect(machine.answers.get(TOKEN)).toBe(allEnded ? 'settled' : undefined);
          expect(tables.jobs.get(JOB)?.job.status).toMatch(/^(ENQUEUED|RUNNING)$/);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('leave what they would have left one at a time, when they speak of first attempts that complete', async () => {
    const completions = fc.array(
      fc.nat(TASKS - 1).map((index) => completedEvent({ taskId: taskIdFactory(index) })),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(completions, fc.scheduler(), async (events, scheduler) => {
        const { tables, ports } = prepare(scheduler, []);

        const left = await scheduler.waitFor(drain(recordsOf(events.map((event) => [event])), ports));

        const tasks = new Set(events.map((event) => event.taskId));
        expect(left).toEqual([]);
        expect([...tables.tasks.keys()].toSorted()).toEqual([...tasks].toSorted());
        expect(tables.jobs.get(JOB)?.counters).toEqual({
          ...zeroCounters,
          completed: tasks.size,
          completedSeconds: 5 * tasks.size,
        });
      }),
      { numRuns: 50 },
    );
  });
});
