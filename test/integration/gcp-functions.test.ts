/**
 * The functions on GCP, as they are deployed, under the real framework: between a Pub/Sub that pushes, the SQS of the local
 * run, a metadata server, an STS and a Compute Engine.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  type Message,
  ReceiveMessageCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createSqsClient } from '../../adapters/aws/sqs-client.ts';
import { GceInstanceProvider } from '../../adapters/gcp/gce-instance-provider.ts';
import { PubSubStatusChannel } from '../../adapters/gcp/pubsub-status-channel.ts';
import { gcpBridgeAudience } from '../../core/clouds.ts';
import { jobIdFromUlid, taskIdOf } from '../../core/ids.ts';
import { accountingWorld } from '../../functions/accounting/testing/accounting-world.ts';
import { consumeStatus } from '../../functions/status-consumer/consume-status.ts';
import { buildFunctions } from '../../gcp/build.ts';
import { startSqs } from '../../local/emulators/sqs/start-sqs.ts';
import { ComputeServer } from '../clouds/gcp/compute-server.ts';
import { gcpCloud } from '../clouds/gcp/gcp-cloud.ts';
import { GcpFunction } from '../clouds/gcp/gcp-function.ts';
import { type PubSubServer, startPubSub } from '../clouds/gcp/start-pubsub.ts';
import { googleMetadata } from '../clouds/identity/google-servers.ts';
import { stsAnswers } from '../clouds/identity/sts-server.ts';
import { recordingServer } from '../clouds/recording-server.ts';
import { choiceFactory } from '../factories/choice.ts';
import { completedEvent, startedEvent } from '../factories/events.ts';
import { InMemoryDeadLetterChannel } from '../fakes/in-memory-dead-letter-channel.ts';
import { InMemoryWaker } from '../fakes/in-memory-waker.ts';

const STAGE = 'test';
const TOPICS = 'projects/acme-batch/topics';
const STATUS = `${TOPICS}/shoal-status-${STAGE}`;
const DEAD_LETTERS = `${TOPICS}/shoal-dead-letters-${STAGE}`;
const JOB = jobIdFromUlid('01ARZ3NDEKTSV4RRFFQ69G5FAV');

const sqsServer = await startSqs({ port: 0, region: 'us-east-1' });
const sqs = createSqsClient({
  endpoint: sqsServer.url,
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
});
let bridge: GcpFunction;
let pubSub: PubSubServer;
const queues = { status: '', deadLetters: '' };

const queue = async (name: string): Promise<string> =>
  (await sqs.send(new CreateQueueCommand({ QueueName: name }))).QueueUrl ?? '';

/** Topics, and subscriptions that push, as gcp/pubsub.tf makes them. */
function subscribe(topic: string, endpoint: string): void {
  pubSub.broker.createTopic(topic);
  pubSub.broker.createSubscription(topic.replace('/topics/', '/subscriptions/'), {
    topic,
    ackDeadlineSeconds: 60,
    messageRetentionDuration: '604800s',
    // Sooner than gcp/pubsub.tf says: the test waits for it.
    retryPolicy: { minimumBackoff: '0.1s', maximumBackoff: '0.5s' },
    pushConfig: { pushEndpoint: endpoint },
  });
}

beforeAll(async () => {
  queues.status = await queue(`shoal-status-${STAGE}`);
  queues.deadLetters = await queue(`shoal-dead-letters-${STAGE}`);
  bridge = await GcpFunction.start({
    target: 'bridge',
    environment: {
      STAGE,
      AWS_REGION: 'us-east-1',
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/shoal-bridge-gcp-test',
      STATUS_QUEUE_URL: queues.status,
      DEAD_LETTERS_QUEUE_URL: queues.deadLetters,
      SQS_ENDPOINT: sqsServer.url,
    },
  });
  pubSub = await startPubSub({ grpcPort: null });
  subscribe(STATUS, `${bridge.url}/status`);
  // As Eventarc would: what comes has the headers of a CloudEvent.
  subscribe(DEAD_LETTERS, `${bridge.url}/dead-letters?__GCP_CloudEventsMode=CUSTOM_PUBSUB`);
});
afterAll(async () => {
  await bridge.stop();
  await pubSub.stop();
  sqs.destroy();
  await sqsServer.stop();
});

const publish = (topic: string, ...data: (string | Uint8Array)[]): string[] =>
  pubSub.broker.publish(topic, { messages: data.map((each) => ({ data: Buffer.from(each).toString('base64') })) });

const push = async (url: string, body: unknown): Promise<number> => {
  const headers = { 'content-type': 'application/json' };
  return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).status;
};

/** Takes what is on a queue, ten at a time, and hands each batch on before it is deleted. */
async function drain(queueUrl: string, each: (messages: readonly Message[]) => Promise<void>): Promise<number> {
  let taken = 0;
  for (;;) {
    const command = new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 });
    const { Messages = [] } = await sqs.send(command);
    if (Messages.length === 0) return taken;
    await each(Messages);
    const Entries = Messages.map(({ ReceiptHandle }, Id) => ({ Id: String(Id), ReceiptHandle }));
    await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
    taken += Messages.length;
  }
}
const bodiesOn = async (queueUrl: string): Promise<string[]> => {
  const bodies: string[] = [];
  await drain(queueUrl, async (messages) => void bodies.push(...messages.map(({ Body = '' }) => Body)));
  return bodies;
};

it('are one file below a megabyte', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-gcp-build-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));

  expect(await buildFunctions(folder)).toBeLessThan(1_000_000);
});

describe('the bridge of GCP', () => {
  it('carries each report home, and dead letters to their own queue, whichever way they are pushed', async () => {
    publish(STATUS, '{"v":1,"source":"m","events":[]}');
    publish(DEAD_LETTERS, '{"v":1,"jobId":"job_1"}');

    await vi.waitFor(
      async () => expect(await bodiesOn(queues.status)).toEqual(['{"v":1,"source":"m","events":[]}']),
      10_000,
    );
    await vi.waitFor(
      async () => expect(await bodiesOn(queues.deadLetters)).toEqual(['{"v":1,"jobId":"job_1"}']),
      10_000,
    );
  });

  it('loses nothing and counts nothing twice of 5,000 reports, with duplicates and poison, killed in their midst (lesson 1)', async () => {
    const tasks = 2_500;
    const world = accountingWorld();
    world.addJob({ jobId: JOB, taskCount: tasks }, [], {});
    const deadLetters = new InMemoryDeadLetterChannel();
    const ports = {
      ...world.ports,
      fleets: world.fleets,
      deadLetters,
      waker: new InMemoryWaker(),
    };
    const channel = new PubSubStatusChannel({ topicUrl: `${pubSub.url}/v1/${STATUS}`, source: 'm', token: null });
    const events = Array.from({ length: tasks }, (_, index) => {
      const task = { jobId: JOB, taskId: taskIdOf(JOB, index), leaseId: `lease-${index}` };
      return [startedEvent(task), completedEvent(task)];
    });

    const subscription = pubSub.broker.subscriptions.get(STATUS.replace('/topics/', '/subscriptions/'));
    if (subscription) subscription.duplicates = 20;

    for (let from = 0; from < tasks; from += 25) {
      await channel.publish(events.slice(from, from + 25).flat());
      // One in five is sent twice.
      if (from % 125 === 0) await channel.publish(events.slice(from, from + 25).flat());
      if (from % 500 === 0) publish(STATUS, 'no JSON', Uint8Array.of(0xff, 0x00), '{"v":2}');
      if (from === 1_000) await bridge.restart();
    }
    const consumed = async (messages: readonly Message[]): Promise<void> => {
      const records = messages.map(({ MessageId = '', Body = '' }) => ({
        messageId: MessageId,
        body: Body,
        receiveCount: 1,
      }));
      const { failed } = await consumeStatus(records, ports);
      expect(failed.size).toBe(0);
    };
    await vi.waitFor(
      async () => {
        await drain(queues.status, consumed);
        expect(subscription?.backlog).toEqual({ waiting: 0, outstanding: 0 });
        expect(world.counters(JOB)?.completed).toBe(tasks);
      },
      { timeout: 30_000, interval: 50 },
    );

    const rows = [...world.tables.tasks.values()].filter(({ jobId }) => jobId === JOB);
    expect(rows).toHaveLength(tasks);
    expect(rows.every(({ status }) => status === 'COMPLETED')).toBe(true);
    expect(world.counters(JOB)).toMatchObject({ completed: tasks, running: 0, failed: 0, cancelled: 0 });
    // Five times three, some of them twice: what was being sent as the bridge was killed is sent again.
    const reasons = deadLetters.letters.map(({ reason }) => reason);
    expect(reasons.length).toBeGreaterThanOrEqual(15);
    expect(reasons).toContain('the body is not JSON');
  });

  it('acknowledges nothing that SQS did not take: it comes again until it is taken', async () => {
    await sqs.send(new DeleteQueueCommand({ QueueUrl: queues.deadLetters }));
    publish(DEAD_LETTERS, '{"v":1,"jobId":"job_2"}');
    const refused = await push(`${bridge.url}/dead-letters`, { message: { data: 'e30=' } });
    await queue(`shoal-dead-letters-${STAGE}`);

    expect(refused).toBe(503);
    await vi.waitFor(async () => expect(await bodiesOn(queues.deadLetters)).toEqual(['{"v":1,"jobId":"job_2"}']));
  });

  it('says that it does not know what no subscription sends', async () => {
    expect(await push(`${bridge.url}/elsewhere`, { message: { data: 'e30=' } })).toBe(404);
    expect(await push(`${bridge.url}/status`, { message: { data: 7 } })).toBe(400);
  });

  it('is a role of AWS by its own identity: there is no key, and one role for all its messages', async () => {
    const clock = { now: () => new Date() };
    const metadata = await recordingServer(googleMetadata());
    const sts = await recordingServer(stsAnswers(clock));
    onTestFinished(() => Promise.all([metadata.stop(), sts.stop()]).then(() => undefined));
    const federated = await GcpFunction.start({
      target: 'bridge',
      environment: {
        STAGE,
        AWS_REGION: 'us-east-1',
        AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/shoal-bridge-gcp-test',
        STATUS_QUEUE_URL: queues.status,
        DEAD_LETTERS_QUEUE_URL: queues.deadLetters,
        SQS_ENDPOINT: sqsServer.url,
        STS_ENDPOINT: sts.url,
        METADATA_URL: metadata.url,
      },
    });
    onTestFinished(() => federated.stop());

    const statuses = [];
    for (let n = 0; n < 2; n += 1) statuses.push(await push(`${federated.url}/status`, { message: { data: 'e30=' } }));

    expect(statuses).toEqual([204, 204]);
    expect(metadata.requests.map(({ query }) => query['audience'])).toEqual([gcpBridgeAudience(STAGE)]);
    expect(sts.requests.map(({ form }) => [form['Action'], form['RoleArn']])).toEqual([
      ['AssumeRoleWithWebIdentity', 'arn:aws:iam::123456789012:role/shoal-bridge-gcp-test'],
    ]);
  });
});

describe('the reaper of GCP', () => {
  it('ends machines that outlived their lifetime or switched themselves off, and no other (lesson 24)', async () => {
    const compute = new ComputeServer();
    const cloud = gcpCloud(await compute.start());
    onTestFinished(() => compute.stop());
    const provider = new GceInstanceProvider({ cloud, stage: STAGE, token: null, startupScript: () => '' });
    const launch = async (intentId: string, seconds: number): Promise<string> => {
      const { launched } = await provider.launch({
        fleet: 'default',
        intentId,
        count: 1,
        environment: {},
        choices: [choiceFactory({ provider: 'gcp', zone: null, instanceType: 't2d-standard-1' })],
        expiresAt: new Date(Date.now() + seconds * 1_000).toISOString(),
      });
      return launched[0]?.instanceId ?? '';
    };
    const outlived = await launch('a', -1);
    const stopped = await launch('b', 3_600);
    const working = await launch('c', 3_600);
    compute.switchOff(stopped);
    const reaper = await GcpFunction.start({
      target: 'reap',
      environment: { STAGE, CLOUD: JSON.stringify(cloud) },
    });
    onTestFinished(() => reaper.stop());

    const answer = await fetch(reaper.url, { method: 'POST' });

    expect(await answer.json()).toEqual({ ended: [outlived, stopped] });
    const left = (await provider.list()).filter((each) => each.running).map((each) => each.instanceId);
    expect(left).toEqual([working]);
  });
});
