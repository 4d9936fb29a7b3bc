/** What the accounting costs, measured by the documented rules of DynamoDB: write units a task, spread over the shards. */
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import { DynamoFleetStore } from '../../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb-job-store.ts';
import { counterKey } from '../../adapters/aws/dynamodb-keys.ts';
import { DynamoTaskStore } from '../../adapters/aws/dynamodb-task-store.ts';
import { inParallel } from '../../adapters/in-parallel.ts';
import { COUNTER_SHARDS } from '../../core/counters.ts';
import type { TaskEvent } from '../../core/messages.ts';
import { ReportingMachines } from '../../functions/accounting/reporting-machines.ts';
import type { QueueRecord } from '../../functions/queue-batch.ts';
import { consumeStatus } from '../../functions/status-consumer/consume-status.ts';
import { seededRandom } from '../../local/emulators/faults/faults.ts';
import { COUNTS_PATH, type OperationCount } from '../../local/emulators/protocol/request-counts.ts';
import { useAwsWorld } from '../contracts/aws-world.ts';
import { completedEvent } from '../factories/events.ts';
import { jobIdFactory, taskIdFactory } from '../factories/ids.ts';
import { jobFactory } from '../factories/job.ts';
import { systemClock } from '../factories/manual-clock.ts';
import { InMemoryDeadLetterChannel } from '../fakes/in-memory-dead-letter-channel.ts';
import { InMemoryDelayedQueue } from '../fakes/in-memory-delayed-queue.ts';
import { InMemoryJobMachine } from '../fakes/in-memory-job-machine.ts';
import { inMemoryTaskQueues } from '../fakes/in-memory-task-queue.ts';
import { InMemoryWaker } from '../fakes/in-memory-waker.ts';

const world = useAwsWorld();
const TASKS = 300;
const SPREAD_TASKS = 240;
/**
 * As many outcomes as an agent packs into a message; batches as small as a moderate load makes them, so that a duplicate
 * comes in a later one.
 */
const EVENTS_A_MESSAGE = 10;
const MESSAGES_A_BATCH = 9;

async function prepare() {
  const client = world().dynamodb;
  const [jobsTable, tasksTable, fleetsTable] = await Promise.all([
    world().jobsTable(),
    world().tasksTable(),
    world().fleetsTable(),
  ]);
  const jobs = new DynamoJobStore({ client, table: jobsTable });
  const fleets = new DynamoFleetStore({ client, table: fleetsTable });
  await jobs.create(jobFactory({ status: 'RUNNING', taskCount: TASKS }), null);
  const clock = systemClock;
  const ports = {
    jobs,
    tasks: new DynamoTaskStore({ client, tasksTable, jobsTable }),
    fleets,
    reporting: new ReportingMachines(fleets),
    queues: inMemoryTaskQueues({ clock }),
    delayed: new InMemoryDelayedQueue({ clock }),
    deadLetters: new InMemoryDeadLetterChannel(),
    machine: new InMemoryJobMachine(),
    waker: new InMemoryWaker(),
    clock,
    random: () => 0,
  };
  return { jobs, jobsTable, consume: (records: QueueRecord[]) => consumeStatus(records, ports) };
}

/** Every write that DynamoDB billed so far. */
async function writeUnits(): Promise<number> {
  const response = await fetch(world().emulators.dynamodbUrl + COUNTS_PATH);
  const { operations } = (await response.json()) as { operations: Record<string, OperationCount> }; // told by us
  return Object.values(operations).reduce((sum, { writeUnits: units }) => sum + units, 0);
}

const slices = <Each>(all: readonly Each[], size: number): Each[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, n) => all.slice(n * size, (n + 1) * size));

/** Every task completes once, in the order in which many machines at work would report. */
function completions(): TaskEvent[] {
  const random = seededRandom(7);
  return Array.from({ length: TASKS }, (_, index) => ({ index, place: random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ index }) =>
      completedEvent({
        taskId: taskIdFactory(index),
        leaseId: crypto.randomUUID(),
        instanceId: `i-0123456789abcde${10 + (index % 20)}`,
        result: { json: '{"words":1234,"longest":"incomprehensibilities"}' },
        log: {
          blob: `jobs/${jobIdFactory()}/logs/${taskIdFactory(index)}/1-${crypto.randomUUID()}`,
          bytes: 9,
          truncated: false,
        },
      }),
    );
}

const recordsOf = (events: readonly TaskEvent[], receiveCount = 1): QueueRecord[] =>
  slices(events, EVENTS_A_MESSAGE).map((slice) => ({
    messageId: crypto.randomUUID(),
    body: JSON.stringify({ v: 1, source: 'i-1', events: slice }),
    receiveCount,
  }));

/** What comes a second time: SQS's own duplicates say so, and so does a machine to which the task was delivered again. */
const latecomers = (events: readonly TaskEvent[], share: number) =>
  events
    .filter((_event, n) => share > 0 && n % Math.round(1 / share) === 0)
    .map((event, n) =>
      n % 2 === 0
        ? { event, receiveCount: 2 }
        : { event: { ...event, leaseId: 'zombie', receiveCount: 2 }, receiveCount: 1 },
    );

describe('the write units of a task', () => {
  it.each([
    ['without duplicates', 0, 2.1],
    ['with one duplicate in a hundred reports', 0.01, 2.5],
  ])('%s are few, and the counters are right all the same', async (_what, share, limit) => {
    const { jobs, consume } = await prepare();
    const random = seededRandom(11);
    const events = completions();
    const records = recordsOf(events);
    for (const late of latecomers(events, share)) {
      const place = records.findIndex(({ body }) => body.includes(`${late.event.taskId}"`));
      const after = place + 1 + Math.floor(random() * (records.length - place));
      records.splice(after, 0, ...recordsOf([late.event], late.receiveCount));
    }
    const before = await writeUnits();

    for (const batch of slices(records, MESSAGES_A_BATCH)) await consume(batch);

    const units = ((await writeUnits()) - before) / TASKS;
    expect((await jobs.progress(jobIdFactory()))?.counters).toMatchObject({ completed: TASKS });
    expect(units).toBeLessThanOrEqual(limit);
    expect(units).toBeGreaterThan(2);
  });

  const CONSUMERS_AT_ONCE = 8;

  it('go to all shards of the counter: none takes more than a third', async () => {
    const { consume, jobsTable } = await prepare();

    // Of busy machines a batch a message: so many commits, on shards by their first task.
    const records = recordsOf(completions().slice(0, SPREAD_TASKS));
    await inParallel(slices(records, 1), CONSUMERS_AT_ONCE, consume);

    const shards = await Promise.all(
      Array.from({ length: COUNTER_SHARDS }, async (_, shard) => {
        const { Item } = await world().dynamodb.send(
          new GetCommand({ TableName: jobsTable, Key: counterKey(jobIdFactory(), shard) }),
        );
        return Number(Item?.['completed'] ?? 0);
      }),
    );
    expect(shards.reduce((sum, count) => sum + count, 0)).toBe(SPREAD_TASKS);
    expect(Math.min(...shards)).toBeGreaterThan(0);
    expect(Math.max(...shards)).toBeLessThan(SPREAD_TASKS / 3);
  });
});
