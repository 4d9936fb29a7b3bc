import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { SQSEvent } from 'aws-lambda';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSqsClient } from '../../adapters/aws/clients.ts';
import { END_POLLS_PATH } from '../emulators/sqs/operator-paths.ts';
import { startSqs } from '../emulators/sqs/start-sqs.ts';
import { failed, type Outcome } from './invocation.ts';
import { QueuePoller } from './queue-poller.ts';

let emulator: Awaited<ReturnType<typeof startSqs>>;
let sqs: SQSClient;
let queueUrl: string;
let count = 0;

beforeAll(async () => {
  emulator = await startSqs({ port: 0, region: 'us-east-1' });
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  sqs = createSqsClient({ endpoint: emulator.url, region: 'us-east-1', credentials });
});
afterAll(() => emulator.stop());
beforeEach(() => makeQueue(30));

async function makeQueue(visibilitySeconds: number): Promise<void> {
  count += 1;
  const Attributes = { VisibilityTimeout: String(visibilitySeconds) };
  queueUrl = (await sqs.send(new CreateQueueCommand({ QueueName: `q${count}`, Attributes }))).QueueUrl ?? '';
}

const succeeded = (value: unknown = {}): Outcome => ({ kind: 'returned', payload: JSON.stringify(value) });

/** A poller whose function answers with `answer`; `batches` are the bodies that it got. */
function startPoller(
  answer: (event: SQSEvent, call: number) => Outcome | Promise<Outcome>,
  mapping = {},
  endPolls = endAllPolls,
) {
  const batches: string[][] = [];
  const poller = new QueuePoller({
    sqs,
    queueUrl,
    mapping: {
      queueName: 'q',
      queueArn: 'arn:aws:sqs:us-east-1:000000000000:q',
      functionArn: 'arn',
      batchSize: 10,
      batchingWindowSeconds: 0,
      maximumConcurrency: 1,
      reportsItemFailures: true,
      ...mapping,
    },
    invoke: async (text) => {
      const event: SQSEvent = JSON.parse(text);
      batches.push(event.Records.map((record) => record.body));
      return answer(event, batches.length);
    },
    endPolls,
    onError: (error) => expect.unreachable(String(error)),
  });
  return { poller, batches, [Symbol.asyncDispose]: () => poller.stop() };
}

const endAllPolls = async (): Promise<void> => void (await fetch(emulator.url + END_POLLS_PATH, { method: 'POST' }));

async function send(...bodies: string[]): Promise<void> {
  for (let start = 0; start < bodies.length; start += 10) {
    const Entries = bodies.slice(start, start + 10).map((MessageBody, index) => ({ Id: String(index), MessageBody }));
    await sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
  }
}

async function left(): Promise<number> {
  const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: [...names] }),
  );
  return names.reduce((sum, name) => sum + Number(Attributes?.[name]), 0);
}

describe('a poller', () => {
  it('deletes what the function took, and hands over what a record needs', async () => {
    await send('one');
    let record: SQSEvent['Records'][number] | undefined;
    await using _ = startPoller((event) => {
      record = event.Records[0];
      return succeeded(null);
    });
    await expect.poll(() => record).toBeDefined();
    await expect.poll(left).toBe(0);
    expect(record).toMatchObject({
      body: 'one',
      eventSource: 'aws:sqs',
      awsRegion: 'us-east-1',
      attributes: { ApproximateReceiveCount: '1', SentTimestamp: expect.stringMatching(/^\d+$/) },
    });
  });

  it('leaves exactly the failed messages of a batch, which come again', async () => {
    await makeQueue(1);
    await send('good', 'bad');
    await using run = startPoller((event, call) => {
      const bad = event.Records.filter((record) => record.body === 'bad' && call === 1);
      return succeeded({ batchItemFailures: bad.map((record) => ({ itemIdentifier: record.messageId })) });
    });
    await expect.poll(left, { timeout: 5_000 }).toBe(0);
    expect(run.batches.flat().sort()).toEqual(['bad', 'bad', 'good']);
  });

  it.each([
    ['fails', failed('Error', 'no')],
    ['answers nonsense', succeeded({ batchItemFailures: [{ itemIdentifier: 'nobody' }] })],
  ])('leaves the whole batch when the function %s', async (_, outcome) => {
    await makeQueue(1);
    await send('a', 'b');
    await using run = startPoller((_event, call) => (call === 1 ? outcome : succeeded()));
    await expect.poll(left, { timeout: 5_000 }).toBe(0);
    expect(run.batches.flat().sort()).toEqual(['a', 'a', 'b', 'b']);
  });

  it('gathers a batch over several receives until it is full', async () => {
    await send(...Array.from({ length: 25 }, (_, index) => `m${index}`));
    await using run = startPoller(() => succeeded(), { batchSize: 20, batchingWindowSeconds: 1 });
    await expect.poll(left, { timeout: 5_000 }).toBe(0);
    expect(run.batches.map((batch) => batch.length)).toEqual([20, 5]);
  });

  it('runs no more batches at once than the mapping allows', async () => {
    let running = 0;
    let most = 0;
    await send(...Array.from({ length: 20 }, (_, index) => `m${index}`));
    const handle = async (): Promise<Outcome> => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running -= 1;
      return succeeded();
    };
    await using _ = startPoller(handle, { batchSize: 1, maximumConcurrency: 2 });
    await expect.poll(left, { timeout: 5_000 }).toBe(0);
    expect(most).toBe(2);
  });

  it('gives back at once what its last poll brings, and lets the batch in hand finish (lesson 48)', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await send('first');
    const sent = Promise.withResolvers<void>();
    const run = startPoller(
      async () => {
        await released;
        return succeeded();
      },
      { maximumConcurrency: 2 },
      () => sent.promise.then(endAllPolls),
    );
    await expect.poll(() => run.batches.length).toBe(1);
    // One loop works, the other waits in its poll, which brings something before it could be ended.
    const stopped = run.poller.stop();
    await send('second');
    sent.resolve();
    release();
    await stopped;
    expect(run.batches).toEqual([['first']]);
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: queueUrl }));
    expect(Messages.map((message) => message.Body)).toEqual(['second']);
  });

  it('stops at once while it waits for messages, however long its polls are', async () => {
    const run = startPoller(() => succeeded(), { maximumConcurrency: 2 });
    await send('one');
    await expect.poll(left).toBe(0);
    const stopping = performance.now();
    await run.poller.stop();
    expect(performance.now() - stopping).toBeLessThan(2_000);
  });
});
