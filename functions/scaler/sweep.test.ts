import { describe, expect, it } from 'vitest';
import { TransientError } from '../../core/errors.ts';
import { taskIdOf } from '../../core/ids.ts';
import type { Job, SweepMark } from '../../core/job.ts';
import type { TaskRecord } from '../../core/task.ts';
import { instanceFactory } from '../../test/factories/instance.ts';
import { countersFactory, jobFactory } from '../../test/factories/job.ts';
import { at, ManualClock } from '../../test/factories/manual-clock.ts';
import { taskMessageFactory } from '../../test/factories/task-message.ts';
import { taskRecordFactory } from '../../test/factories/task-record.ts';
import { InMemoryDelayedQueue } from '../../test/fakes/in-memory-delayed-queue.ts';
import { InMemoryFleetStore } from '../../test/fakes/in-memory-fleet-store.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { inMemoryTaskQueues } from '../../test/fakes/in-memory-task-queue.ts';
import { InMemoryTaskStore } from '../../test/fakes/in-memory-task-store.ts';
import { type SweepPorts, sweep } from './sweep.ts';

const limits = { leaseAllowanceSeconds: 60, settleSeconds: 60 };
const LEASE = 400;

function prepare(overrides: Partial<Job> = {}) {
  const clock = new ManualClock(at(100));
  const tables = new InMemoryTables();
  const queues = inMemoryTaskQueues({ clock });
  const delayed = new InMemoryDelayedQueue({ clock });
  const fleets = new InMemoryFleetStore();
  const failures: unknown[] = [];
  const job = jobFactory({ status: 'RUNNING', timeoutSeconds: 240, enqueuedAt: at(0), taskCount: 3, ...overrides });
  tables.jobs.set(job.jobId, { job, counters: countersFactory() });
  const ports = {
    jobs: new InMemoryJobStore(tables),
    tasks: new InMemoryTaskStore(tables),
    queues,
    delayed,
    fleets,
    clock,
    onSweepFailed: (_jobId: string, error: unknown): void => void failures.push(error),
  } satisfies SweepPorts;
  const mark = (): SweepMark | null | undefined => tables.jobs.get(job.jobId)?.job.sweep;
  return {
    job,
    clock,
    queues,
    delayed,
    failures,
    mark,
    ports,
    row: (index: number, rest: Partial<TaskRecord>) => {
      const task = taskRecordFactory({ jobId: job.jobId, index, ...rest });
      tables.tasks.set(task.taskId, task);
    },
    run: (over: Partial<SweepPorts> = {}) => sweep([...tables.jobs.values()], { ...ports, ...over }, limits),
    sent: async () => {
      const queue = queues('default', job.priority);
      const { leases } = await queue.receive({ maxMessages: 10, waitSeconds: 0, leaseSeconds: 60 });
      return leases.map(({ message }) => ({ taskId: message.taskId, attempt: message.attempt }));
    },
  };
}

describe('a job whose messages are lost', () => {
  it('has its tasks sent again, as the same attempts, after two looks (lesson 5)', async () => {
    const { job, clock, run, row, sent, delayed, mark } = prepare({ taskCount: 5 });
    row(0, { status: 'COMPLETED', updatedAt: at(20) });
    row(1, { status: 'RUNNING', attempt: 2, updatedAt: at(20) });
    row(2, { status: 'PENDING', attempt: 3, updatedAt: at(20), dueAt: at(5_000) });

    expect(await run()).toBe(0);
    clock.advance(LEASE + 61);
    row(4, { status: 'RUNNING', updatedAt: at(300) });

    expect(await run()).toBe(2);
    const expected = [
      { taskId: taskIdOf(job.jobId, 1), attempt: 2 },
      { taskId: taskIdOf(job.jobId, 3), attempt: 1 },
    ];
    expect(await sent()).toEqual(expected);
    expect(delayed.queue.depth().delayed).toBe(0);
    expect(mark()).toEqual({ quietAt: null, sentAt: clock.now().toISOString(), chunk: 0 });
  });

  it('is not touched again before another lease has passed', async () => {
    const { clock, run, sent } = prepare();
    await run();
    clock.advance(LEASE + 61);
    expect(await run()).toBe(3);
    await sent();

    const later: number[] = [];
    for (let look = 0; look < 8; look += 1) {
      clock.advance(60);
      later.push(await run());
    }

    expect(later).toEqual(later.map(() => 0));
  });

  it('is worked through a part at a time when it is large', async () => {
    const { clock, run, mark } = prepare({ taskCount: 2_500 });
    await run();
    clock.advance(LEASE + 61);

    expect(await run()).toBe(1_000);
    expect(mark()).toMatchObject({ chunk: 1 });
    expect(await run()).toBe(1_000);
    expect(await run()).toBe(500);
    expect(mark()).toMatchObject({ quietAt: null, chunk: 0 });
  });

  it('is swept from the same place again when sending fails, and its neighbours are swept all the same', async () => {
    const { clock, run, ports, failures, mark } = prepare();
    await run();
    clock.advance(LEASE + 61);
    const broken = Object.assign(Object.create(ports.queues('default', 'normal')), {
      depth: () => ports.queues('default', 'normal').depth(),
      send: async () => {
        throw new TransientError('SQS entries failed');
      },
    });

    expect(await run({ queues: () => broken })).toBe(0);
    expect(failures).toHaveLength(1);
    expect(mark()).toMatchObject({ quietAt: at(100), chunk: 0 });
    expect(await run()).toBe(3);
  });
});

describe('a job whose priority was changed', () => {
  it('is not taken for lost while its messages wait on the queue of before', async () => {
    const { job, clock, queues, ports, run, mark } = prepare();
    await queues('default', 'normal').send([taskMessageFactory({ jobId: job.jobId })]);
    await ports.jobs.amend(job, { priority: 'high' });

    await run();
    clock.advance(LEASE + 61);

    expect(await run()).toBe(0);
    expect(mark()).toBeNull();
  });
});

describe('a job that is well', () => {
  it('costs one depth, and no read of its rows', async () => {
    const { ports, run } = prepare();
    const tasks = Object.create(ports.tasks, {
      listChunk: {
        value: () => {
          throw new Error('no row is to be read');
        },
      },
    });

    expect(await run({ tasks })).toBe(0);
    expect(await run({ tasks })).toBe(0);
  });

  it.each(['CANCELLING', 'CANCELLED', 'COMPLETED'] as const)('is left alone when it is %s', async (status) => {
    const { clock, run, mark } = prepare({ status });
    await run();
    clock.advance(10_000);

    expect(await run()).toBe(0);
    expect(mark()).toBeNull();
  });
});

describe('a queue that does not tell what waits on it', () => {
  it('has its lost tasks sent again when machines found it empty twice, a lease apart', async () => {
    const { clock, run, ports, sent } = prepare();
    const { queues, fleets } = ports;
    const untold: SweepPorts['queues'] = (fleet, priority) => {
      const queue = queues(fleet, priority);
      return {
        send: (messages) => queue.send(messages),
        receive: (options) => queue.receive(options),
        acknowledge: (leases) => queue.acknowledge(leases),
        changeLease: (leases, seconds) => queue.changeLease(leases, seconds),
        depth: async () => null,
      };
    };
    const over = { queues: untold, fleets };
    const ends = async (instanceId: string, reason: string): Promise<void> => {
      const now = clock.now().toISOString();
      await ports.fleets.addInstances([instanceFactory({ instanceId, state: 'READY' })]);
      await ports.fleets.updateInstance('default', instanceId, { state: 'TERMINATED', reason, at: now });
    };

    await ends('i-1', 'lifetime');
    expect([await run(over), await run(over)]).toEqual([0, 0]);
    await ends('i-2', 'idle');
    await run(over);
    clock.advance(LEASE + 61);
    expect(await run(over)).toBe(0);
    await ends('i-3', 'idle');
    clock.advance(60);

    expect(await run(over)).toBe(3);
    expect(await sent()).toHaveLength(3);
  });
});
