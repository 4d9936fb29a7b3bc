/**
 * Bad and hostile messages on each queue, against the real emulators: kept with a reason, no crash loop, and nothing of
 * it falls on their neighbours.
 */
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import { DynamoFleetStore } from '../../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { DynamoTaskStore } from '../../adapters/aws/dynamodb-task-store.ts';
import { S3BlobStore } from '../../adapters/aws/s3-blob-store.ts';
import { SqsDeadLetterChannel } from '../../adapters/aws/sqs-dead-letter-channel.ts';
import { SqsDelayedQueue } from '../../adapters/aws/sqs-delayed-queue.ts';
import { SqsTaskQueue, sqsTaskQueues } from '../../adapters/aws/sqs-task-queue.ts';
import { BlobDeadLetters } from '../../adapters/blob-dead-letters.ts';
import { toAsciiJson } from '../../core/ascii-json.ts';
import type { DeadLetterChannel } from '../../core/ports.ts';
import { ReportingMachines } from '../../functions/accounting/reporting-machines.ts';
import { judgeDeadLetters } from '../../functions/dead-letter/judge-dead-letters.ts';
import { forwardDelayed } from '../../functions/delayed/forward-delayed.ts';
import type { QueueRecord } from '../../functions/queue-batch.ts';
import { consumeStatus } from '../../functions/status-consumer/consume-status.ts';
import { useAwsWorld } from '../contracts/aws-world.ts';
import { drainQueue } from '../contracts/drain-queue.ts';
import { completedEvent, failedEvent } from '../factories/events.ts';
import { jobIdFactory, taskIdFactory } from '../factories/ids.ts';
import { jobFactory } from '../factories/job.ts';
import { at, systemClock } from '../factories/manual-clock.ts';
import { taskMessageFactory } from '../factories/task-message.ts';
import { failureFactory } from '../factories/task-record.ts';
import { InMemoryJobMachine } from '../fakes/in-memory-job-machine.ts';
import { InMemoryWaker } from '../fakes/in-memory-waker.ts';

const world = useAwsWorld();
const TASKS = 1_000;

async function prepare() {
  const { sqs, dynamodb, s3 } = world();
  const stage = crypto.randomUUID().slice(0, 8);
  const [status, statusDead, delayedUrl, dead] = await Promise.all(
    ['status', 'status-dead', 'delayed', 'dead'].map((name) => world().queue(`${name}-${stage}`)),
  );
  if (!status || !statusDead || !delayedUrl || !dead) throw new Error('a queue is missing');
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: dead, AttributeNames: ['QueueArn'] }),
  );
  const { QueueUrl: tasksUrl = '' } = await sqs.send(
    new CreateQueueCommand({
      QueueName: `shoal-tasks-default-normal-${stage}`,
      Attributes: {
        RedrivePolicy: JSON.stringify({ deadLetterTargetArn: Attributes?.['QueueArn'], maxReceiveCount: 6 }),
      },
    }),
  );
  const [jobsTable, tasksTable, fleetsTable] = await Promise.all([
    world().jobsTable(),
    world().tasksTable(),
    world().fleetsTable(),
  ]);
  const bucket = await world().bucket();
  const blobs = new S3BlobStore({ client: s3, bucket });
  const kept: Parameters<DeadLetterChannel['put']>[0][number][] = [];
  const letters = new BlobDeadLetters({ blobs, clock: systemClock });
  const fleets = new DynamoFleetStore({ client: dynamodb, table: fleetsTable });
  const jobs = new DynamoJobStore({ client: dynamodb, table: jobsTable });
  const tasks = new DynamoTaskStore({ client: dynamodb, tasksTable, jobsTable });
  await jobs.create(jobFactory({ status: 'RUNNING', taskCount: TASKS }), null);
  const ports = {
    jobs,
    tasks,
    fleets,
    reporting: new ReportingMachines(fleets),
    queues: sqsTaskQueues({ client: sqs, queueUrlPrefix: tasksUrl.slice(0, tasksUrl.lastIndexOf('/') + 1), stage }),
    delayed: new SqsDelayedQueue({ client: sqs, queueUrl: delayedUrl, clock: systemClock }),
    machine: new InMemoryJobMachine(),
    waker: new InMemoryWaker(),
    clock: systemClock,
    random: () => 0,
  };
  const deadLetters: DeadLetterChannel = {
    put: async (all) => {
      await letters.put(all);
      kept.push(...all);
    },
  };
  return {
    ports,
    deadLetters,
    kept,
    urls: { status, statusDead, delayed: delayedUrl, dead, tasks: tasksUrl },
    counters: async () => (await jobs.progress(jobIdFactory()))?.counters,
    put: async (QueueUrl: string, ...bodies: string[]) => {
      for (const MessageBody of bodies) await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    },
  };
}

const toRecord = ({ MessageId = '', Body = '', Attributes }: Message): QueueRecord => ({
  messageId: MessageId,
  body: Body,
  receiveCount: Number(Attributes?.ApproximateReceiveCount ?? 1),
});

/**
 * As an event source mapping: hands batches to a consumer and deletes what it does not return, until nothing comes any
 * more. What is returned is visible again at once.
 * @returns how many batches it took
 */
async function consume(
  QueueUrl: string,
  consumer: (records: QueueRecord[]) => Promise<{ failed: ReadonlyMap<string, unknown> }>,
): Promise<number> {
  const { sqs } = world();
  for (let batches = 0; ; batches += 1) {
    if (batches === 40) throw new Error('it goes round for ever');
    const received = new ReceiveMessageCommand({
      QueueUrl,
      MaxNumberOfMessages: 10,
      VisibilityTimeout: 0,
      MessageSystemAttributeNames: ['ApproximateReceiveCount'],
    });
    const { Messages = [] } = await sqs.send(received);
    if (Messages.length === 0) return batches;
    const { failed } = await consumer(Messages.map(toRecord));
    for (const { MessageId = '', ReceiptHandle } of Messages) {
      if (!failed.has(MessageId)) await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
}

const report = (...events: readonly unknown[]): string => toAsciiJson({ v: 1, source: 'i-1', events });

describe('hostile messages', () => {
  it('on the status queue are dead-lettered with the reason, and their neighbours are applied (lessons 4 and 46)', async () => {
    const { ports, urls, counters, put } = await prepare();
    const good = Array.from({ length: 20 }, (_, n) => completedEvent({ taskId: taskIdFactory(n) }));
    await put(
      urls.status,
      'not json',
      '{"v":2}',
      report(),
      report(...good.slice(0, 10), { kind: 'completed' }, { ...completedEvent(), kind: 'exploded' }),
      report({ ...completedEvent({ taskId: taskIdFactory(500) }), leaseId: 'x'.repeat(300_000) }),
      report(completedEvent({ taskId: taskIdFactory(501), seconds: Number.MAX_VALUE })),
      report(completedEvent({ taskId: taskIdFactory(502), result: { json: 'x'.repeat(600_000) } })),
      report(completedEvent({ taskId: taskIdFactory(TASKS) })),
      report(completedEvent({ jobId: jobIdFactory(9), taskId: taskIdFactory(0, jobIdFactory(9)) })),
      report(completedEvent({ taskId: '../../etc/passwd' })),
      report(completedEvent({ taskId: taskIdFactory(503), attempt: Number.MAX_SAFE_INTEGER })),
      report(completedEvent({ taskId: taskIdFactory(504), at: '0000-01-01T00:00:00Z', seconds: 86_400 })),
      report(
        failedEvent({
          taskId: taskIdFactory(505),
          failure: failureFactory({ exitCode: 1, message: '🐟'.repeat(40_000) }),
        }),
      ),
      report(...good.slice(10)),
    );

    const consumer = (records: QueueRecord[]) =>
      consumeStatus(records, {
        ...ports,
        deadLetters: new SqsDeadLetterChannel({ client: world().sqs, queueUrl: urls.statusDead }),
      });
    await consume(urls.status, consumer);

    expect(await counters()).toMatchObject({ completed: 21, failed: 1 });
    const reasons = (await drainQueue(world().sqs, urls.statusDead)).map((body) => JSON.parse(body).reason as string);
    expect(reasons).toHaveLength(12);
    expect(reasons.every((reason) => reason.length > 0)).toBe(true);
    expect(reasons).toEqual(
      expect.arrayContaining([
        'the body is not JSON',
        'there is no such task',
        'taskId is not one of jobId',
        'speaks of an attempt that is not known yet',
      ]),
    );
    // What was written can be read again, whatever the report said.
    expect((await ports.tasks.listChunk(jobIdFactory(), 0, 0, TASKS)).map((task) => task.index)).toEqual([
      ...Array.from({ length: 20 }, (_, n) => n),
      504,
      505,
    ]);
  });

  it('on a task queue drift to the dead letters and are kept there; a good neighbour that came too often is sent again', async () => {
    const { ports, urls, deadLetters, kept, put } = await prepare();
    const good = toAsciiJson(taskMessageFactory());
    const bad = ['not json', '{"v":1}', toAsciiJson(taskMessageFactory({ taskId: taskIdFactory(0, jobIdFactory(2)) }))];
    const queue = new SqsTaskQueue({ client: world().sqs, queueUrl: urls.tasks });
    await put(urls.tasks, good, ...bad);

    // As agents do that have no luck: the unreadable is left alone, the rest given back.
    let unreadable = 0;
    for (let receives = 0; receives < 7; receives += 1) {
      const received = await queue.receive({ maxMessages: 10, waitSeconds: 0, leaseSeconds: 0 });
      unreadable += received.unreadable.length;
    }
    const batches = await consume(urls.dead, (records) => judgeDeadLetters(records, { ...ports, deadLetters }));

    expect(unreadable).toBe(2 * 6);
    expect(batches).toBe(1);
    expect(kept.map(({ body, reason }) => [body, reason.split(':')[0]])).toEqual(
      expect.arrayContaining([
        [bad[0], 'the body is not JSON'],
        [bad[1], 'jobId'],
        [bad[2], 'taskId is not one of jobId'],
      ]),
    );
    expect(await drainQueue(world().sqs, urls.tasks)).toEqual([expect.stringContaining(taskIdFactory())]);
  });

  it('on the delayed queue are kept with the reason, also for a fleet that is not there, and their neighbours go on', async () => {
    const { ports, urls, deadLetters, kept, put } = await prepare();
    const delayed = (message: object) => toAsciiJson({ message, dueAt: at(0) });
    await put(
      urls.delayed,
      'not json',
      delayed({ v: 1 }),
      delayed(taskMessageFactory({ fleet: '../status' })),
      delayed(taskMessageFactory({ fleet: 'nowhere' })),
      delayed(taskMessageFactory({ attempt: 2 })),
    );

    await consume(urls.delayed, (records) => forwardDelayed(records, { ...ports, deadLetters }));

    expect(kept.map(({ reason }) => reason.split(':')[0]).sort()).toEqual(
      ['message.fleet', 'message.jobId', 'the body is not JSON', 'there is no fleet nowhere'].sort(),
    );
    expect(await drainQueue(world().sqs, urls.tasks)).toEqual([expect.stringContaining('"attempt":2')]);
  });
});
