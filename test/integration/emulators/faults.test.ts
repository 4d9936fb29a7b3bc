/** Faults as AWS words them: what the SDK makes of each, and how they are switched. Lesson 47: emulators are kind. */
import * as dynamo from '@aws-sdk/client-dynamodb';
import * as s3 from '@aws-sdk/client-s3';
import * as sfn from '@aws-sdk/client-sfn';
import * as sqs from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FaultRule } from '../../../local/emulators/faults/fault-rule.ts';
import { FAULTS_PATH } from '../../../local/emulators/faults/fault-switch.ts';
import { RESTART_PATH } from '../../../local/emulators/sqs/operator-paths.ts';
import { type RunningEmulators, startEmulators } from '../../../local/emulators/start-emulators.ts';
import { clientConfig } from './client-config.ts';
import { createTable, TableName } from './dynamodb-fixture.ts';

let emulators: RunningEmulators;
let queues: sqs.SQSClient;
let tables: dynamo.DynamoDBClient;
let buckets: s3.S3Client;
let states: sfn.SFNClient;
let QueueUrl: string;
const Bucket = 'bucket';

beforeAll(async () => {
  emulators = await startEmulators();
  queues = new sqs.SQSClient(clientConfig(emulators.sqsUrl));
  tables = new dynamo.DynamoDBClient(clientConfig(emulators.dynamodbUrl));
  buckets = new s3.S3Client({ ...clientConfig(emulators.s3Url), forcePathStyle: true });
  states = new sfn.SFNClient(clientConfig(emulators.statesUrl));
  await createTable(tables);
  await buckets.send(new s3.CreateBucketCommand({ Bucket }));
  QueueUrl = (await queues.send(new sqs.CreateQueueCommand({ QueueName: 'queue' }))).QueueUrl!;
});
afterEach(async () => {
  emulators.faults.clear();
  await queues.send(new sqs.PurgeQueueCommand({ QueueUrl }));
});
afterAll(async () => {
  for (const client of [queues, tables, buckets, states]) client.destroy();
  await emulators.stop();
});

const send = (MessageBody = 'text') => queues.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody }));
const receive = async () =>
  (await queues.send(new sqs.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }))).Messages ?? [];
const entries = (count: number) => Array.from({ length: count }, (_, n) => ({ Id: `${n}`, MessageBody: `${n}` }));
const key = (pk: string) => ({ pk: { S: pk }, sk: { S: '0' } });
const putItem = (pk = 'a', more: Partial<dynamo.PutItemCommandInput> = {}) =>
  tables.send(new dynamo.PutItemCommand({ TableName, Item: key(pk), ...more }));
const getItem = (pk = 'a', ConsistentRead = true) =>
  tables.send(new dynamo.GetItemCommand({ TableName, Key: key(pk), ConsistentRead }));
const transact = (count = 3) =>
  tables.send(
    new dynamo.TransactWriteItemsCommand({
      TransactItems: Array.from({ length: count }, (_, n) => ({ Put: { TableName, Item: key(`t${n}`) } })),
    }),
  );
const putObject = (Key = 'key', more: Partial<s3.PutObjectCommandInput> = {}) =>
  buckets.send(new s3.PutObjectCommand({ Bucket, Key, Body: 'text', ...more }));
const getObject = (Key = 'key') => buckets.send(new s3.GetObjectCommand({ Bucket, Key }));
const listMachines = () => states.send(new sfn.ListStateMachinesCommand({}));

/** The errors that so many calls in a row meet: name and HTTP status. */
async function errorsOf(count: number, call: () => Promise<unknown>): Promise<[string, number | undefined][]> {
  const met: [string, number | undefined][] = [];
  for (let n = 0; n < count; n += 1) {
    const error = (await call().catch((thrown: unknown) => thrown)) as sqs.SQSServiceException;
    met.push([error.name, error.$metadata?.httpStatusCode]);
  }
  return met;
}
const always = (service: FaultRule['service'], kind: FaultRule['kind']) => emulators.faults.set([{ service, kind }]);

const everywhere = (kind: FaultRule['kind']): FaultRule[] =>
  (['sqs', 'dynamodb', 's3', 'states'] as const).map((service) => ({ service, kind }));

describe('throttling', () => {
  it('is told by each service in its own words', async () => {
    emulators.faults.set(everywhere('throttle'));

    expect(await errorsOf(1, send)).toEqual([['RequestThrottled', 400]]);
    expect(await errorsOf(1, putObject)).toEqual([['SlowDown', 503]]);
    expect(await errorsOf(1, listMachines)).toEqual([['ThrottlingException', 400]]);
    expect(await errorsOf(3, getItem)).toEqual([
      ['ProvisionedThroughputExceededException', 400],
      ['ThrottlingException', 400],
      ['RequestLimitExceeded', 400],
    ]);
  });

  it('cancels a transaction for one of its items, or refuses it as a whole', async () => {
    always('dynamodb', 'throttle');

    const error = await transact().catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(dynamo.TransactionCanceledException);
    const codes = (error as dynamo.TransactionCanceledException).CancellationReasons?.map((reason) => reason.Code);
    expect(codes?.sort()).toEqual(['None', 'None', 'ThrottlingError']);
    expect(await errorsOf(1, transact)).toEqual([['ThrottlingException', 400]]);
  });
});

describe('a conflict', () => {
  it('refuses a single write, and cancels a transaction for one of its items', async () => {
    always('dynamodb', 'conflict');

    const error = (await transact(2).catch((thrown: unknown) => thrown)) as dynamo.TransactionCanceledException;

    expect(error.message).toMatch(/specific reasons \[.*TransactionConflict.*\]/);
    expect(error.CancellationReasons?.map((reason) => reason.Code).sort()).toEqual(['None', 'TransactionConflict']);
    expect(await errorsOf(1, putItem)).toEqual([['TransactionConflictException', 400]]);
    expect(await getItem('t0')).not.toHaveProperty('Item');
  });

  it('refuses a conditional write to a bucket as met or as too late, and no other write', async () => {
    always('s3', 'conflict');

    expect(await errorsOf(2, () => putObject('new', { IfNoneMatch: '*' }))).toEqual([
      ['ConditionalRequestConflict', 409],
      ['PreconditionFailed', 412],
    ]);
    await expect(putObject()).resolves.toBeTruthy();
  });
});

describe('an outage', () => {
  it('is an error of the service, and nothing happens', async () => {
    emulators.faults.set(everywhere('unavailable'));

    expect(await errorsOf(2, send)).toEqual([
      ['ServiceUnavailable', 503],
      ['InternalError', 500],
    ]);
    expect(await errorsOf(2, () => putItem('never'))).toEqual([
      ['ServiceUnavailable', 503],
      ['InternalServerError', 500],
    ]);
    expect(await errorsOf(2, () => putObject('never'))).toEqual([
      ['ServiceUnavailable', 503],
      ['InternalError', 500],
    ]);
    expect(await errorsOf(2, listMachines)).toEqual([
      ['ServiceUnavailable', 503],
      ['InternalFailure', 500],
    ]);
    emulators.faults.clear();
    expect(await receive()).toEqual([]);
    expect(await getItem('never')).not.toHaveProperty('Item');
    expect(await errorsOf(1, () => getObject('never'))).toEqual([['NoSuchKey', 404]]);
  });
});

describe('a lost response', () => {
  it('comes after the effect: the connection ends, or an error is answered', async () => {
    emulators.faults.set([
      { service: 'sqs', operation: 'SendMessage', kind: 'lost-response' },
      { service: 'dynamodb', operation: 'PutItem', kind: 'lost-response' },
      { service: 's3', operation: 'PutObject', kind: 'lost-response' },
    ]);

    const lost = [
      await errorsOf(2, send),
      await errorsOf(2, () => putItem('lost')),
      await errorsOf(2, () => putObject('lost')),
    ];

    expect(lost.map((errors) => errors.map(([, status]) => status))).toEqual(Array(3).fill([undefined, 500]));
    expect(await receive()).toHaveLength(2);
    expect((await getItem('lost')).Item).toEqual(key('lost'));
    await expect(getObject('lost')).resolves.toBeTruthy();
  });

  it('breaks an object off after its head', async () => {
    await putObject();
    emulators.faults.set([{ service: 's3', operation: 'GetObject', kind: 'lost-response', times: 1 }]);

    const { Body } = await getObject();

    await expect(Body?.transformToString()).rejects.toThrow('aborted');
    expect(await (await getObject()).Body?.transformToString()).toBe('text');
  });

  it('still tells of an error: there was no effect to be silent about', async () => {
    always('s3', 'lost-response');

    expect(await errorsOf(1, () => getObject('nothing'))).toEqual([['NoSuchKey', 404]]);
  });
});

describe('a partial answer', () => {
  it('fails some entries of a batch, not by the sender’s fault, and does the others', async () => {
    emulators.faults.set([{ service: 'sqs', kind: 'partial', seed: 1 }]);

    const command = new sqs.SendMessageBatchCommand({ QueueUrl, Entries: entries(10) });
    const { Successful = [], Failed = [] } = await queues.send(command);

    expect(Failed[0]).toMatchObject({ Id: '0', SenderFault: false, Code: 'InternalError' });
    expect(Successful.length + Failed.length).toBe(10);
    expect(Successful.length).toBeGreaterThan(0);
    expect((await receive()).map((message) => message.Body).sort()).toEqual(Successful.map((each) => each.Id).sort());
  });

  it('leaves keys of a batch unprocessed, all of them if there is but one', async () => {
    const all = ['one', 'two', 'three', 'four', 'five'];
    for (const pk of all) await putItem(pk);
    emulators.faults.set([{ service: 'dynamodb', kind: 'partial', seed: 2 }]);
    const get = (pks: string[]) =>
      tables.send(new dynamo.BatchGetItemCommand({ RequestItems: { [TableName]: { Keys: pks.map(key) } } }));

    expect((await get(['one'])).UnprocessedKeys).toMatchObject({ [TableName]: { Keys: [key('one')] } });
    const { UnprocessedKeys = {}, Responses = {} } = await get(all);

    const left = UnprocessedKeys[TableName]?.Keys ?? [];
    const found = Responses[TableName] ?? [];
    expect(left.length).toBeGreaterThan(0);
    expect(found.length).toBeGreaterThan(0);
    expect([...left, ...found].map((item) => item['pk']?.S).sort()).toEqual(all.toSorted());
  });
});

it('a duplicate is delivered while the message is leased, and outlives its deletion', async () => {
  await send();
  emulators.faults.set([{ service: 'sqs', kind: 'duplicate', times: 1 }]);

  const [first] = await receive();
  await queues.send(new sqs.DeleteMessageCommand({ QueueUrl, ReceiptHandle: first?.ReceiptHandle }));
  const [second, ...more] = await receive();

  expect(second?.MessageId).toBe(first?.MessageId);
  expect(second?.Body).toBe('text');
  expect(second?.ReceiptHandle).not.toBe(first?.ReceiptHandle);
  expect(more).toEqual([]);
  expect(emulators.faults.report()).toMatchObject([{ injected: 1 }]);
});

it('a stale read is answered as a moment ago, and a consistent one as it is', async () => {
  const rule = { kind: 'stale', delayMs: 60_000 } as const;
  emulators.faults.set([
    { ...rule, service: 'dynamodb' },
    { ...rule, service: 'sqs' },
  ]);
  const count = async () => {
    const command = new sqs.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] });
    return (await queues.send(command)).Attributes?.['ApproximateNumberOfMessages'];
  };
  const before = [await count(), (await getItem('stale', false)).Item, (await getItem('stale')).Item];

  await send();
  await putItem('stale');

  expect(before).toEqual(['0', undefined, undefined]);
  expect([await count(), (await getItem('stale', false)).Item]).toEqual(['0', undefined]);
  expect((await getItem('stale')).Item).toEqual(key('stale'));
});

it('a delay is added to whatever else a call meets', async () => {
  emulators.faults.set([
    { service: 'sqs', kind: 'delay', delayMs: 60 },
    { service: 'sqs', kind: 'throttle', delayMs: 60 },
  ]);
  const start = performance.now();

  expect(await errorsOf(1, send)).toEqual([['RequestThrottled', 400]]);

  // Timers may fire a millisecond early.
  expect(performance.now() - start).toBeGreaterThan(115);
});

describe('the switch', () => {
  const ask = async (method: string, body?: unknown, url = emulators.sqsUrl) => {
    const response = await fetch(url + FAULTS_PATH, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    return { status: response.status, body: await response.json() };
  };

  it('sets, tells and takes back the rules, at any of the services', async () => {
    const rule = { service: 'sqs', operation: 'SendMessage', kind: 'throttle', times: 2, seed: 7 };

    expect(await ask('PUT', [rule], emulators.s3Url)).toEqual({
      status: 200,
      body: { rules: [{ ...rule, injected: 0 }] },
    });
    expect(await errorsOf(3, send)).toMatchObject([
      ['RequestThrottled', 400],
      ['RequestThrottled', 400],
      [undefined, 200],
    ]);
    expect((await ask('GET', undefined, emulators.dynamodbUrl)).body).toEqual({ rules: [{ ...rule, injected: 2 }] });
    expect((await ask('DELETE', undefined, emulators.statesUrl)).body).toEqual({ rules: [] });
  });

  it.each([
    ['a kind that there is not', [{ service: 'sqs', kind: 'fire' }]],
    ['a probability above one', [{ service: 'sqs', kind: 'throttle', probability: 20 }]],
    ['a delay of no length', [{ service: 'sqs', kind: 'delay' }]],
    ['no list', { service: 'sqs', kind: 'throttle' }],
  ])('refuses %s, and keeps the rules that it has', async (_what, body) => {
    always('states', 'throttle');

    expect(await ask('PUT', body)).toEqual({ status: 400, body: { error: expect.any(String) } });
    expect((await ask('GET')).body).toMatchObject({ rules: [{ service: 'states' }] });
  });

  it('strikes the same calls by the same seed, about as often as was asked for', async () => {
    const struck = async (seed: number) => {
      emulators.faults.set([{ service: 'states', kind: 'throttle', probability: 0.25, seed }]);
      return (await errorsOf(60, listMachines)).map(([name]) => name === 'ThrottlingException');
    };

    const first = await struck(1);

    expect(await struck(1)).toEqual(first);
    expect(await struck(2)).not.toEqual(first);
    expect(first.filter(Boolean).length).toBeGreaterThan(5);
    expect(first.filter(Boolean).length).toBeLessThan(28);
  });

  it('spares whoever asks for it', async () => {
    emulators.faults.set(everywhere('throttle'));
    const spared = new sqs.SQSClient(clientConfig(emulators.sqsUrl));
    spared.middlewareStack.add(
      (next) => (args) => {
        Object.assign((args.request as { headers: object }).headers, { 'x-shoal-faults': 'off' }); // an HTTP request
        return next(args);
      },
      { step: 'build' },
    );

    await expect(spared.send(new sqs.ListQueuesCommand({}))).resolves.toMatchObject({ QueueUrls: [QueueUrl] });
    spared.destroy();
  });
});

it('a restart of the queues leaves them empty, ends what waits on them, and keeps their names', async () => {
  await send();
  await receive();
  await send();
  const waiting = queues.send(new sqs.ReceiveMessageCommand({ QueueUrl: await emptyQueue(), WaitTimeSeconds: 20 }));
  const ended = expect(waiting).rejects.toThrow();

  const response = await fetch(emulators.sqsUrl + RESTART_PATH, { method: 'POST' });

  expect(response.status).toBe(204);
  await ended;
  const all = new sqs.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] });
  expect((await queues.send(all)).Attributes).toMatchObject({
    ApproximateNumberOfMessages: '0',
    ApproximateNumberOfMessagesNotVisible: '0',
  });
  await send('after');
  expect((await receive()).map((message) => message.Body)).toEqual(['after']);
});

const emptyQueue = async () => (await queues.send(new sqs.CreateQueueCommand({ QueueName: 'empty' }))).QueueUrl!;
