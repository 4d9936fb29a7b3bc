/** What becomes of an effect whose answer was lost: nothing counts twice, nobody takes himself for the loser (lesson 47). */
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { DynamoFleetStore } from '../../../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../../../adapters/aws/dynamodb-job-store.ts';
import { DynamoTaskStore } from '../../../adapters/aws/dynamodb-task-store.ts';
import { S3BlobStore } from '../../../adapters/aws/s3-blob-store.ts';
import { S3ControlChannel } from '../../../adapters/aws/s3-control-channel.ts';
import { SqsTaskQueue } from '../../../adapters/aws/sqs-task-queue.ts';
import { emptyControlDocument, withCancelledJob } from '../../../core/control-document.ts';
import { zeroCounters } from '../../../core/counters.ts';
import type { FaultRule } from '../../../local/emulators/faults/fault-rule.ts';
import { AwsWorld } from '../../contracts/aws-world.ts';
import { drainQueue } from '../../contracts/drain-queue.ts';
import { LambdaStub } from '../../contracts/lambda-stub.ts';
import { waitingMachineSetup } from '../../contracts/waiting-machines.ts';
import { jobIdFactory, taskIdFactory } from '../../factories/ids.ts';
import { jobFactory } from '../../factories/job.ts';
import { at, START } from '../../factories/manual-clock.ts';
import { taskMessageFactory } from '../../factories/task-message.ts';
import { taskRecordFactory } from '../../factories/task-record.ts';
import { useTroubledWorld } from './troubled-world.ts';

const lambda = new LambdaStub();
const troubled = useTroubledWorld([], async () => AwsWorld.start({ lambdaEndpoint: await lambda.start() }));
afterAll(() => lambda.stop());

const faults = () => troubled().world.emulators.faults;
/** The next answers to an operation are lost, so many, and then other faults may come. */
const lose = (service: FaultRule['service'], operation: string, times = 1, ...then: FaultRule[]) =>
  faults().set([{ service, operation, kind: 'lost-response', times }, ...then]);
const injected = () =>
  faults()
    .report()
    .map((rule) => rule.injected);
afterEach(() => faults().clear());

async function stores() {
  const { world, clients } = troubled();
  const [jobsTable, tasksTable] = await Promise.all([world.jobsTable(), world.tasksTable()]);
  const jobs = new DynamoJobStore({ client: clients.dynamodb, table: jobsTable });
  const tasks = new DynamoTaskStore({ client: clients.dynamodb, tasksTable, jobsTable });
  return { jobs, tasks };
}

describe('a commit of task rows', () => {
  const completed = { task: taskRecordFactory({ status: 'COMPLETED' }), previousVersion: null };
  const one = { ...zeroCounters, completed: 1 };

  it.each([1, 2])('whose response is lost %i times counts once, and is told as committed', async (times) => {
    const { jobs, tasks } = await stores();
    await jobs.create(jobFactory(), null);
    lose('dynamodb', 'TransactWriteItems', times);

    expect(await tasks.commit(jobIdFactory(), [completed], one)).toEqual({ kind: 'committed' });

    expect(injected()).toEqual([times]);
    expect((await jobs.progress(jobIdFactory()))?.counters).toEqual(one);
  });

  it('that meets a conflict after its lost response counts once', async () => {
    const { jobs, tasks } = await stores();
    await jobs.create(jobFactory(), null);
    lose('dynamodb', 'TransactWriteItems', 1, { service: 'dynamodb', kind: 'conflict', times: 2 });

    expect(await tasks.commit(jobIdFactory(), [completed], one)).toEqual({ kind: 'committed' });

    expect(injected()).toEqual([1, 2]);
    expect((await jobs.progress(jobIdFactory()))?.counters).toEqual(one);
  });

  it('that meets conflicts and throttling is tried again until it is through', async () => {
    const { jobs, tasks } = await stores();
    await jobs.create(jobFactory(), null);
    faults().set([
      { service: 'dynamodb', operation: 'TransactWriteItems', kind: 'conflict', times: 3 },
      { service: 'dynamodb', operation: 'TransactWriteItems', kind: 'throttle', times: 3 },
    ]);

    expect(await tasks.commit(jobIdFactory(), [completed], one)).toEqual({ kind: 'committed' });

    expect(injected()).toEqual([3, 3]);
    expect((await jobs.progress(jobIdFactory()))?.counters).toEqual(one);
  });
});

describe('a write of a job', () => {
  it('that creates it is told as created, with an idempotency key or without', async () => {
    const { jobs } = await stores();
    const record = { id: 'id', requestHash: 'hash', jobId: jobIdFactory(2), answer: '{}', expiresAt: at(60) };
    faults().set([
      { service: 'dynamodb', operation: 'PutItem', kind: 'lost-response', times: 1 },
      { service: 'dynamodb', operation: 'TransactWriteItems', kind: 'lost-response', times: 1 },
    ]);

    expect(await jobs.create(jobFactory(), null)).toBe(true);
    expect(await jobs.create(jobFactory({ jobId: jobIdFactory(2) }), record)).toBe(true);

    expect(injected()).toEqual([1, 1]);
  });

  it('that cancels or closes it is told as the one that did, and a later one is not', async () => {
    const { jobs } = await stores();
    const { jobId } = jobFactory();
    await jobs.create(jobFactory(), null);

    lose('dynamodb', 'UpdateItem');
    expect(await jobs.requestCancel(jobId)).toBe(true);
    expect(await jobs.requestCancel(jobId)).toBe(false);
    lose('dynamodb', 'UpdateItem', 2);
    expect(await jobs.close(jobId, { status: 'CANCELLED', reason: null }, new Date(START))).toBe(true);
    lose('dynamodb', 'UpdateItem');
    expect(await jobs.close(jobId, { status: 'FAILED', reason: 'late' }, new Date(START))).toBe(false);

    // What was refused had no effect, and so no response to lose.
    expect(injected()).toEqual([0]);
    expect((await jobs.progress(jobId))?.job.status).toBe('CANCELLED');
  });

  it('that meets a transaction is tried again', async () => {
    const { jobs } = await stores();
    await jobs.create(jobFactory(), null);
    faults().set([{ service: 'dynamodb', operation: 'UpdateItem', kind: 'conflict', times: 3 }]);

    expect(await jobs.requestCancel(jobIdFactory())).toBe(true);

    expect(injected()).toEqual([3]);
  });
});

describe('a fleet’s state', () => {
  const next = { intents: [], lastPlan: null };

  it('whose response is lost is won by its writer, and by no other', async () => {
    const { world, clients } = troubled();
    const fleets = new DynamoFleetStore({ client: clients.dynamodb, table: await world.fleetsTable() });
    lose('dynamodb', 'PutItem');

    expect(await fleets.writeState('default', next, 0)).toBe(true);
    expect(await fleets.writeState('default', next, 0)).toBe(false);

    expect(injected()).toEqual([1]);
    expect((await fleets.read('default')).state.version).toBe(1);
  });

  it('that meets a transaction is not lost to anybody: it is written at the next try', async () => {
    const { world, clients } = troubled();
    const fleets = new DynamoFleetStore({ client: clients.dynamodb, table: await world.fleetsTable() });
    faults().set([{ service: 'dynamodb', operation: 'PutItem', kind: 'conflict', times: 2 }]);

    expect(await fleets.writeState('default', next, 0)).toBe(true);
  });
});

describe('SQS', () => {
  const queue = async () => {
    const { world, clients } = troubled();
    const queueUrl = await world.queue();
    return { queueUrl, tasks: new SqsTaskQueue({ client: clients.sqs, queueUrl }) };
  };
  const message = (index: number) => taskMessageFactory({ taskId: taskIdFactory(index) });

  it('sends twice what it had no answer for, and loses nothing: a task’s second delivery is stale', async () => {
    const { queueUrl, tasks } = await queue();
    lose('sqs', 'SendMessageBatch');

    await tasks.send([message(0)]);

    const bodies = await drainQueue(troubled().world.sqs, queueUrl);
    expect(bodies.map((body) => JSON.parse(body).taskId)).toEqual([taskIdFactory(0), taskIdFactory(0)]);
  });

  it('leaves messages whose receipt was lost to the end of their lease', async () => {
    const { tasks } = await queue();
    await tasks.send([message(0)]);
    lose('sqs', 'ReceiveMessage');
    const receive = (waitSeconds: number) => tasks.receive({ maxMessages: 10, waitSeconds, leaseSeconds: 1 });

    expect((await receive(0)).leases).toEqual([]);
    expect((await receive(3)).leases).toMatchObject([{ receiveCount: 2 }]);
  });
});

describe('a partial batch', () => {
  it('is completed, each entry once (lesson 6)', async () => {
    const { world, clients } = troubled();
    const queueUrl = await world.queue();
    const tasks = new SqsTaskQueue({ client: clients.sqs, queueUrl });
    const sent = Array.from({ length: 25 }, (_, index) => taskIdFactory(index));
    faults().set([{ service: 'sqs', operation: 'SendMessageBatch', kind: 'partial', times: 4, seed: 1 }]);

    await tasks.send(sent.map((taskId) => taskMessageFactory({ taskId })));

    const arrived = (await drainQueue(world.sqs, queueUrl)).map((body) => JSON.parse(body).taskId);
    expect(arrived.sort()).toEqual(sent.toSorted());
    expect(injected()).toEqual([4]);
  });

  it('that stays so fails the whole call, as something that passes (lesson 6)', async () => {
    const { world, clients } = troubled();
    const tasks = new SqsTaskQueue({ client: clients.sqs, queueUrl: await world.queue() });
    faults().set([{ service: 'sqs', kind: 'partial' }]);

    await expect(tasks.send([taskMessageFactory()])).rejects.toMatchObject({ name: 'TransientError' });
  });
});

describe('S3', () => {
  it('is asked again for a blob that broke off', async () => {
    const { world, clients } = troubled();
    const blobs = new S3BlobStore({ client: clients.s3, bucket: await world.bucket() });
    await blobs.put('key', 'text', 'text/plain');
    faults().set([
      { service: 's3', operation: 'GetObject', kind: 'lost-response', times: 1 },
      { service: 's3', operation: 'GetObject', kind: 'throttle', times: 1 },
    ]);

    expect(new TextDecoder().decode(await blobs.get('key'))).toBe('text');

    expect(injected()).toEqual([1, 1]);
  });

  it('has a control document changed once, however often the answer is lost', async () => {
    const { world, clients } = troubled();
    const control = new S3ControlChannel({ client: clients.s3, bucket: await world.bucket() });
    const cancel = () =>
      control.update('default', (document) => withCancelledJob(document, jobIdFactory(), new Date(START)));
    lose('s3', 'PutObject', 2);

    await cancel();

    expect(injected()).toEqual([2]);
    const cancelledJobs = [{ jobId: jobIdFactory(), at: START }];
    expect(await control.read('default')).toMatchObject({ document: { ...emptyControlDocument, cancelledJobs } });
  });
});

describe('Step Functions', () => {
  it('has answered a token whose answer was lost: the execution goes on, and the token is spent', async () => {
    const { world, clients } = troubled();
    const { machine, waitingToken, answerTo } = await waitingMachineSetup(world.states, clients.states, lambda);
    const token = await waitingToken();
    lose('states', 'SendTaskSuccess');

    expect(await machine.signal(token, 'settled')).toBe('spent');
    expect(await answerTo(token)).toBe('settled');
  });
});
