import { describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { Job, JobStatus } from '../../core/job.ts';
import type { TaskInput } from '../../core/job-submission.ts';
import { MAX_MESSAGE_INPUT_BYTES } from '../../core/messages.ts';
import type { TaskRecord } from '../../core/task.ts';
import { jobFactory } from '../../test/factories/job.ts';
import { at, ManualClock } from '../../test/factories/manual-clock.ts';
import { taskRecordFactory } from '../../test/factories/task-record.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryDelayedQueue } from '../../test/fakes/in-memory-delayed-queue.ts';
import { InMemoryJobStore } from '../../test/fakes/in-memory-job-store.ts';
import { InMemoryTables } from '../../test/fakes/in-memory-tables.ts';
import { inMemoryTaskQueues } from '../../test/fakes/in-memory-task-queue.ts';
import { InMemoryTaskStore } from '../../test/fakes/in-memory-task-store.ts';
import { enqueueChunk } from './enqueue-chunk.ts';

async function prepare(tasks: readonly TaskInput[], overrides: Partial<Job> = {}) {
  const job = jobFactory({ taskCount: tasks.length, ...overrides });
  const tables = new InMemoryTables();
  const jobs = new InMemoryJobStore(tables);
  const clock = new ManualClock(at(60));
  const delayed = new InMemoryDelayedQueue({ clock });
  const blobs = new InMemoryBlobStore();
  const queues = inMemoryTaskQueues({ clock });
  await jobs.create(job, null);
  for (let chunk = 0; chunk * 1_000 < tasks.length; chunk += 1) {
    const lines = tasks.slice(chunk * 1_000, (chunk + 1) * 1_000).map((task) => `${JSON.stringify(task)}\n`);
    await blobs.put(`jobs/${job.jobId}/inputs/${chunk}.jsonl`, lines.join(''), 'application/x-ndjson');
  }
  const ports = { jobs, blobs, queues, delayed, clock, tasks: new InMemoryTaskStore(tables) };
  const received = async () => {
    const { leases } = await queues('default', job.priority).receive({
      maxMessages: 10,
      waitSeconds: 0,
      leaseSeconds: 60,
    });
    return leases.map(({ message }) => message);
  };
  return { job, tables, ports, delayed, received, enqueue: (chunk = 0) => enqueueChunk(job.jobId, chunk, ports) };
}

describe('a chunk', () => {
  it('is sent as first attempts, to the queue of its fleet and priority', async () => {
    const { job, received, enqueue } = await prepare([{ key: 'a', input: 1 }, { input: 2 }], { priority: 'low' });

    expect(await enqueue()).toEqual({ sent: 2 });

    const messages = await received();
    expect(messages.map(({ taskId, attempt, input, key }) => ({ taskId, attempt, input, key }))).toEqual([
      { taskId: `${job.jobId}-0`, attempt: 1, input: 1, key: 'a' },
      { taskId: `${job.jobId}-1`, attempt: 1, input: 2, key: undefined },
    ]);
  });

  it('has inputs of null, 0, false and "" reach the queue as they are', async () => {
    const inputs = [null, 0, false, ''];
    const { received, enqueue } = await prepare(inputs.map((input) => ({ input })));

    await enqueue();

    expect((await received()).map(({ input }) => input)).toEqual(inputs);
  });

  it('has inputs with line ends, rockets and names that objects have by themselves reach the queue (lesson 46)', async () => {
    const text = '{"__proto__":{"a":1},"text":"a\\nb\\u2028c \\u0000 🚀"}';
    const { received, enqueue } = await prepare([{ input: JSON.parse(text) }]);

    await enqueue();

    const [message] = await received();
    expect(JSON.stringify(message?.input)).toBe(JSON.stringify(JSON.parse(text)));
  });

  it('has inputs up to 16 KB travel along and points at larger ones', async () => {
    const { job, ports, received, enqueue } = await prepare([
      { input: 'x'.repeat(MAX_MESSAGE_INPUT_BYTES - 2) },
      { input: 'x'.repeat(MAX_MESSAGE_INPUT_BYTES - 1) },
    ]);

    await enqueue();

    const [small, large] = await received();
    expect(small?.inputRef).toBeUndefined();
    expect(large?.input).toBeUndefined();
    const { inputRef } = large ?? {};
    expect(inputRef).toMatchObject({ blob: `jobs/${job.jobId}/inputs/0.jsonl`, line: 1 });
    // The bytes that it names are the line.
    const range = await ports.blobs.get(inputRef?.blob ?? '', inputRef?.range);
    expect(JSON.parse(Buffer.from(range ?? []).toString())).toEqual({ input: 'x'.repeat(MAX_MESSAGE_INPUT_BYTES - 1) });
  });

  it('numbers its tasks from its own beginning', async () => {
    const tasks = Array.from({ length: 1_002 }, (_, input) => ({ input }));
    const { job, received, enqueue } = await prepare(tasks);

    expect(await enqueue(1)).toEqual({ sent: 2 });

    expect((await received()).map(({ taskId, input }) => [taskId, input])).toEqual([
      [`${job.jobId}-1000`, 1_000],
      [`${job.jobId}-1001`, 1_001],
    ]);
  });

  it('that is sent again is the same attempt again', async () => {
    const { received, enqueue } = await prepare([{ input: 1 }]);

    await enqueue();
    await enqueue();

    const [first, second] = await received();
    expect(second).toEqual(first);
  });

  it.each<JobStatus>(['CANCELLING', 'CANCELLED', 'FAILED', 'COMPLETED'])(
    'of a job that is %s is not sent',
    async (status) => {
      const { received, enqueue } = await prepare([{ input: 1 }], { status });

      expect(await enqueue()).toEqual({ sent: 0 });
      expect(await received()).toEqual([]);
    },
  );

  it('that a queue does not take is an error, so that the step is tried again (lesson 6)', async () => {
    const { ports, enqueue, job } = await prepare([{ input: 1 }]);
    ports.queues('default', job.priority).send = async () => {
      throw new TransientError('1 of 1 could not be sent');
    };

    await expect(enqueue()).rejects.toThrow(TransientError);
  });

  it('that is sent again leaves out what has ended, and sends the attempts that the others have come to', async () => {
    const { job, tables, delayed, received, enqueue } = await prepare([1, 2, 3, 4, 5].map((input) => ({ input })));
    const row = (index: number, overrides: Partial<TaskRecord>): void => {
      const task = taskRecordFactory({ jobId: job.jobId, index, ...overrides });
      tables.tasks.set(task.taskId, task);
    };
    row(0, { status: 'COMPLETED' });
    row(1, { status: 'FAILED' });
    row(2, { status: 'RUNNING', attempt: 2, checkpoint: { blob: 'half-way', bytes: 9 } });
    row(3, { status: 'PENDING', attempt: 3, dueAt: at(90) });

    expect(await enqueue()).toEqual({ sent: 3 });

    const messages = (await received()).map(({ taskId, attempt, checkpointRef }) => ({
      taskId,
      attempt,
      checkpointRef,
    }));
    expect(messages).toEqual([
      { taskId: `${job.jobId}-4`, attempt: 1, checkpointRef: undefined },
      { taskId: `${job.jobId}-2`, attempt: 2, checkpointRef: 'half-way' },
    ]);
    expect(delayed.queue.depth()).toMatchObject({ delayed: 1 });
  });

  it('whose job or inputs are not there is beyond retrying', async () => {
    const { ports, enqueue } = await prepare([{ input: 1 }]);

    await expect(enqueue(1)).rejects.toThrow(PermanentError);
    await expect(enqueueChunk('job_unknown', 0, ports)).rejects.toThrow(PermanentError);
  });
});
