/**
 * The accounting on its real adapters, while everything under it fails in every way: every task counts once, every next
 * attempt is sent, whatever comes back and however often (lesson 1, lesson 47).
 */
import { expect, it } from 'vitest';
import { DynamoFleetStore } from '../../../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../../../adapters/aws/dynamodb-job-store.ts';
import { DynamoTaskStore } from '../../../adapters/aws/dynamodb-task-store.ts';
import { SqsDeadLetterChannel } from '../../../adapters/aws/sqs-dead-letter-channel.ts';
import { SqsDelayedQueue } from '../../../adapters/aws/sqs-delayed-queue.ts';
import { SqsTaskQueue } from '../../../adapters/aws/sqs-task-queue.ts';
import { chunked, inParallel } from '../../../adapters/in-parallel.ts';
import { zeroCounters } from '../../../core/counters.ts';
import type { TaskEvent } from '../../../core/messages.ts';
import { ReportingMachines } from '../../../functions/accounting/reporting-machines.ts';
import type { QueueRecord } from '../../../functions/queue-batch.ts';
import { type ConsumePorts, consumeStatus } from '../../../functions/status-consumer/consume-status.ts';
import { seededRandom } from '../../../local/emulators/faults/faults.ts';
import { drainQueue } from '../../contracts/drain-queue.ts';
import { completedEvent, failedEvent, startedEvent } from '../../factories/events.ts';
import { jobIdFactory, taskIdFactory } from '../../factories/ids.ts';
import { jobFactory } from '../../factories/job.ts';
import { systemClock } from '../../factories/manual-clock.ts';
import { InMemoryJobMachine } from '../../fakes/in-memory-job-machine.ts';
import { InMemoryWaker } from '../../fakes/in-memory-waker.ts';
import { troubledClients, useTroubledWorld } from './troubled-world.ts';

const TASKS = 30;
/** Of every attempt. */
const SECONDS = 5;
const EVENTS_A_RECORD = 4;
const RECORDS_A_BATCH = 8;
const CONSUMERS = 4;
const MAX_ROUNDS = 60;

const troubled = useTroubledWorld([
  { service: 'dynamodb', kind: 'throttle', probability: 0.08, seed: 1 },
  { service: 'dynamodb', kind: 'unavailable', probability: 0.08, seed: 2 },
  { service: 'dynamodb', kind: 'conflict', probability: 0.15, seed: 3 },
  { service: 'dynamodb', kind: 'lost-response', probability: 0.15, seed: 4 },
  { service: 'dynamodb', kind: 'partial', probability: 0.3, seed: 5 },
  { service: 'sqs', kind: 'partial', probability: 0.3, seed: 6 },
  { service: 'sqs', kind: 'lost-response', probability: 0.2, seed: 7 },
]);

/** Of three tasks one completes, one fails once and completes then, and one fails and waits for its next attempt. */
function reportsOf(index: number): TaskEvent[] {
  const ofAttempt = (attempt: number) => ({ taskId: taskIdFactory(index), attempt, leaseId: `lease-${attempt}` });
  const fails = [startedEvent(ofAttempt(1)), failedEvent({ ...ofAttempt(1), seconds: SECONDS })];
  const completes = (attempt: number): TaskEvent[] => [
    startedEvent(ofAttempt(attempt)),
    completedEvent({ ...ofAttempt(attempt), seconds: SECONDS }),
  ];
  return [completes(1), [...fails, ...completes(2)], fails][index % 3] ?? [];
}

function shuffled<Each>(items: readonly Each[], random: () => number): Each[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

async function prepare() {
  const { world } = troubled();
  // Few tries, so that much fails altogether and comes back.
  const clients = troubledClients(world, 2);
  const [jobsTable, tasksTable, fleetsTable, taskQueueUrl, delayedUrl, deadUrl] = await Promise.all([
    world.jobsTable(),
    world.tasksTable(),
    world.fleetsTable(),
    world.queue(),
    world.queue(),
    world.queue(),
  ]);
  const fleets = new DynamoFleetStore({ client: clients.dynamodb, table: fleetsTable });
  const queue = new SqsTaskQueue({ client: clients.sqs, queueUrl: taskQueueUrl });
  const ports: ConsumePorts = {
    jobs: new DynamoJobStore({ client: clients.dynamodb, table: jobsTable }),
    tasks: new DynamoTaskStore({ client: clients.dynamodb, tasksTable, jobsTable }),
    fleets,
    reporting: new ReportingMachines(fleets),
    queues: () => queue,
    delayed: new SqsDelayedQueue({ client: clients.sqs, queueUrl: delayedUrl, clock: systemClock }),
    deadLetters: new SqsDeadLetterChannel({ client: clients.sqs, queueUrl: deadUrl }),
    machine: new InMemoryJobMachine(),
    waker: new InMemoryWaker(),
    clock: systemClock,
    random: seededRandom(8),
  };
  // The state of the world, by hands that meet no faults.
  const jobs = new DynamoJobStore({ client: world.dynamodb, table: jobsTable });
  const tasks = new DynamoTaskStore({ client: world.dynamodb, tasksTable, jobsTable });
  const sent = async (): Promise<string[]> =>
    (await drainQueue(world.sqs, taskQueueUrl)).map((body) => JSON.parse(body).taskId);
  return { ports, jobs, tasks, sent };
}

it('counts every task once and sends every next attempt, whatever fails meanwhile', async () => {
  const { ports, jobs, tasks, sent } = await prepare();
  const retry = { ...jobFactory().retry, backoffSeconds: 0 };
  await jobs.create(jobFactory({ taskCount: TASKS, retry }), null);
  const random = seededRandom(9);
  const reports = Array.from({ length: TASKS }, (_, index) => reportsOf(index)).flat();
  const bodies = chunked(shuffled([...reports, ...reports], random), EVENTS_A_RECORD).map((events) =>
    JSON.stringify({ v: 1, source: 'i-1', events }),
  );
  let waiting: QueueRecord[] = bodies.map((body, n) => ({ messageId: `message-${n}`, body, receiveCount: 1 }));
  let cameBack = 0;

  for (let round = 0; waiting.length > 0 && round < MAX_ROUNDS; round += 1) {
    const batches = chunked(shuffled(waiting, random), RECORDS_A_BATCH);
    const outcomes = await inParallel(batches, CONSUMERS, (batch) => consumeStatus(batch, ports));
    const failed = new Set(outcomes.flatMap((outcome) => [...outcome.failed.keys()]));
    waiting = waiting
      .filter(({ messageId }) => failed.has(messageId))
      .map((record) => ({ ...record, receiveCount: record.receiveCount + 1 }));
    cameBack += waiting.length;
  }

  expect(waiting).toEqual([]);
  expect(cameBack).toBeGreaterThan(0);
  const rows = await tasks.listChunk(jobIdFactory(), 0, 0, TASKS + 1);
  const third = TASKS / 3;
  expect(rows.filter((row) => row.status === 'COMPLETED')).toHaveLength(2 * third);
  const waitingTasks = rows.filter((row) => row.status === 'PENDING' && row.attempt === 2).map((row) => row.taskId);
  expect(waitingTasks).toHaveLength(third);
  expect((await jobs.progress(jobIdFactory()))?.counters).toEqual({
    ...zeroCounters,
    completed: 2 * third,
    completedSeconds: 2 * third * SECONDS,
    lostSeconds: 2 * third * SECONDS,
  });
  expect(await sent()).toEqual(expect.arrayContaining(waitingTasks));
});
