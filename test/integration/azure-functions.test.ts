/**
 * The functions on Azure, as they are deployed, under the real programming model: between a Service Bus that the real client
 * of AMQP speaks to, the SQS of the local run, identities, and an ARM.
 */
import { stat } from 'node:fs/promises';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  type Message,
  ReceiveMessageCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createSqsClient } from '../../adapters/aws/sqs-client.ts';
import { AzureInstanceProvider } from '../../adapters/azure/azure-instance-provider.ts';
import { ServiceBusStatusChannel } from '../../adapters/azure/service-bus-status-channel.ts';
import { jobIdFromUlid, taskIdOf } from '../../core/ids.ts';
import { accountingWorld } from '../../functions/accounting/testing/accounting-world.ts';
import { consumeStatus } from '../../functions/status-consumer/consume-status.ts';
import { startSqs } from '../../local/emulators/sqs/start-sqs.ts';
import { ArmServer } from '../clouds/azure/arm-server.ts';
import { azureCloudFactory } from '../clouds/azure/azure-cloud.ts';
import { AzureFunctions } from '../clouds/azure/azure-functions.ts';
import { type RunningServiceBus, startServiceBus } from '../clouds/azure/service-bus/start-service-bus.ts';
import { azureFunctionAppIdentity } from '../clouds/identity/azure-servers.ts';
import { stsAnswers } from '../clouds/identity/sts-server.ts';
import { recordingServer } from '../clouds/recording-server.ts';
import { choiceFactory } from '../factories/choice.ts';
import { completedEvent, startedEvent } from '../factories/events.ts';
import { InMemoryBlobStore } from '../fakes/in-memory-blob-store.ts';
import { InMemoryDeadLetterChannel } from '../fakes/in-memory-dead-letter-channel.ts';
import { InMemoryWaker } from '../fakes/in-memory-waker.ts';

const STAGE = 'test';
const STATUS = `shoal-status-${STAGE}`;
const TASKS = `shoal-tasks-default-normal-${STAGE}`;
const DEAD_LETTERS = `shoal-dead-letters-${STAGE}`;
const JOB = jobIdFromUlid('01ARZ3NDEKTSV4RRFFQ69G5FAV');
/** Short, so that what a killed host had comes again soon. */
const LOCK_SECONDS = 4;

const sqsServer = await startSqs({ port: 0, region: 'us-east-1' });
const sqs = createSqsClient({
  endpoint: sqsServer.url,
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
});
const cloud = azureCloudFactory();
const arm = new ArmServer(cloud);
let bus: RunningServiceBus;
let functions: AzureFunctions;
const queues = { status: '', deadLetters: '' };

const queue = async (name: string): Promise<string> =>
  (await sqs.send(new CreateQueueCommand({ QueueName: name }))).QueueUrl ?? '';

let environment: Readonly<Record<string, string>>;
beforeAll(async () => {
  queues.status = await queue(STATUS);
  queues.deadLetters = await queue(DEAD_LETTERS);
  bus = await startServiceBus();
  bus.broker.create(STATUS, { lockSeconds: LOCK_SECONDS, maxDeliveryCount: 3 });
  bus.broker.create(TASKS, { lockSeconds: LOCK_SECONDS, maxDeliveryCount: 2 });
  environment = {
    STAGE,
    CLOUD: JSON.stringify({ ...cloud, endpoints: { management: await arm.start() } }),
    TASK_QUEUES: TASKS,
    AWS_REGION: 'us-east-1',
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/shoal-bridge-azure-test',
    STATUS_QUEUE_URL: queues.status,
    DEAD_LETTERS_QUEUE_URL: queues.deadLetters,
    CLIENT_ID: 'client',
    SQS_ENDPOINT: sqsServer.url,
    SERVICE_BUS: bus.connectionString,
    PAUSE_SECONDS: '0.05',
  };
  functions = await AzureFunctions.start(environment);
});
afterAll(async () => {
  await functions.stop();
  await bus.stop();
  await arm.stop();
  sqs.destroy();
  await sqsServer.stop();
});

const send = async (queueName: string, body: string | Uint8Array<ArrayBuffer>): Promise<void> => {
  const answer = await fetch(`${bus.restUrl}/${queueName}/messages`, { method: 'POST', body });
  expect(answer.status).toBe(201);
};
const countsOf = (queueName: string) => {
  const found = bus.broker.find(queueName);
  if (!found) throw new Error(`there is no ${queueName}`);
  return found.counts();
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
  expect((await stat(await AzureFunctions.bundle())).size).toBeLessThan(1_000_000);
});

it('listen where machines report, and to the dead letters of every queue', () => {
  const listening = functions.triggers.map(({ type, queueName, schedule }) => [type, queueName ?? schedule]);

  expect(listening).toEqual([
    ['serviceBusTrigger', STATUS],
    ['serviceBusTrigger', `${STATUS}/$deadletterqueue`],
    ['serviceBusTrigger', `${TASKS}/$deadletterqueue`],
    ['timerTrigger', '0 */5 * * * *'],
  ]);
});

describe('the bridge of Azure', () => {
  it('carries each report home as it was sent, to the last character', async () => {
    const body = '{"v":1,  "source":"m","events":[], "n":12345678901234567890}';
    await send(STATUS, body);

    await vi.waitFor(async () => expect(await bodiesOn(queues.status)).toEqual([body]), { timeout: 10_000 });
    await vi.waitFor(() => expect(countsOf(STATUS).active).toBe(0));
  });

  it('carries a task that was received too often to the dead letters of AWS', async () => {
    await send(TASKS, '{"v":1,"jobId":"job_1"}');
    for (let n = 0; n < 2; n += 1) {
      const answer = await fetch(`${bus.restUrl}/${TASKS}/messages/head?timeout=5`, { method: 'POST' });
      await fetch(new URL(answer.headers.get('location') ?? ''), { method: 'PUT' });
    }

    await vi.waitFor(async () => expect(await bodiesOn(queues.deadLetters)).toEqual(['{"v":1,"jobId":"job_1"}']), {
      timeout: 10_000,
    });
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
    const channel = new ServiceBusStatusChannel({ queueUrl: `${bus.restUrl}/${STATUS}`, source: 'm', token: null });
    const events = Array.from({ length: tasks }, (_, index) => {
      const task = { jobId: JOB, taskId: taskIdOf(JOB, index), leaseId: `lease-${index}` };
      return [startedEvent(task), completedEvent(task)];
    });

    for (let from = 0; from < tasks; from += 25) {
      await channel.publish(events.slice(from, from + 25).flat());
      // One in five is sent twice.
      if (from % 125 === 0) await channel.publish(events.slice(from, from + 25).flat());
      if (from % 500 === 0) {
        for (const poison of ['no JSON', Uint8Array.of(0xff, 0x00), '{"v":2}']) await send(STATUS, poison);
      }
      if (from === 1_000) await functions.restart();
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
        expect(countsOf(STATUS)).toMatchObject({ active: 0, deadLetters: 0 });
        expect(world.counters(JOB)?.completed).toBe(tasks);
      },
      { timeout: 30_000, interval: 50 },
    );

    const rows = [...world.tables.tasks.values()].filter(({ jobId }) => jobId === JOB);
    expect(rows).toHaveLength(tasks);
    expect(rows.every(({ status }) => status === 'COMPLETED')).toBe(true);
    expect(world.counters(JOB)).toMatchObject({ completed: tasks, running: 0, failed: 0, cancelled: 0 });
    // Five times three, some of them twice: what was being carried as the host was killed is carried again.
    const reasons = deadLetters.letters.map(({ reason }) => reason);
    expect(reasons.length).toBeGreaterThanOrEqual(15);
    expect(reasons).toContain('the body is not JSON');
  });

  it('completes nothing that SQS did not take: it waits, with the dead letters at last, and is carried when SQS is back', async () => {
    await sqs.send(new DeleteQueueCommand({ QueueUrl: queues.status }));
    await send(STATUS, '{"v":1,"source":"late","events":[]}');
    await vi.waitFor(() => expect(countsOf(STATUS)).toMatchObject({ active: 0, deadLetters: 1 }), { timeout: 10_000 });

    await queue(STATUS);

    await vi.waitFor(
      async () => expect(await bodiesOn(queues.status)).toEqual(['{"v":1,"source":"late","events":[]}']),
      { timeout: 10_000 },
    );
    await vi.waitFor(() => expect(countsOf(STATUS).deadLetters).toBe(0));
  });

  it('is a role of AWS by its own identity: there is no key, and one role for all its messages', async () => {
    const clock = { now: () => new Date() };
    const identity = await recordingServer(azureFunctionAppIdentity(clock, 'a-secret'));
    const sts = await recordingServer(stsAnswers(clock));
    onTestFinished(() => Promise.all([identity.stop(), sts.stop()]).then(() => undefined));
    bus.broker.create('shoal-status-federated');
    const federated = await AzureFunctions.start({
      ...environment,
      STAGE: 'federated',
      TASK_QUEUES: '',
      IDENTITY_ENDPOINT: `${identity.url}/msi/token`,
      IDENTITY_HEADER: 'a-secret',
      STS_ENDPOINT: sts.url,
    });
    onTestFinished(() => federated.stop());

    for (const n of [1, 2]) {
      await send('shoal-status-federated', `{"n":${n}}`);
      await vi.waitFor(async () => expect(await bodiesOn(queues.status)).toEqual([`{"n":${n}}`]), { timeout: 10_000 });
    }

    expect(identity.requests.map(({ query }) => [query['resource'], query['client_id']])).toEqual([
      [cloud.bridgeAudience, 'client'],
    ]);
    expect(sts.requests.map(({ form }) => [form['Action'], form['RoleArn']])).toEqual([
      ['AssumeRoleWithWebIdentity', environment['AWS_ROLE_ARN']],
    ]);
  });
});

describe('the reaper of Azure', () => {
  it('ends machines that outlived their lifetime or switched themselves off, and no other (lesson 24)', async () => {
    const { endpoints } = JSON.parse(environment['CLOUD'] ?? '');
    const provider = new AzureInstanceProvider({
      cloud: { ...cloud, endpoints },
      stage: STAGE,
      token: null,
      startupScript: () => '',
      launches: new InMemoryBlobStore(),
    });
    const launch = async (intentId: string, seconds: number): Promise<string> => {
      const { launched } = await provider.launch({
        fleet: 'default',
        intentId,
        count: 1,
        environment: {},
        choices: [choiceFactory({ provider: 'azure', zone: null, diskGiB: 32 })],
        expiresAt: new Date(Date.now() + seconds * 1_000).toISOString(),
      });
      return launched[0]?.instanceId ?? '';
    };
    await launch('a', -1);
    const stopped = await launch('b', 3_600);
    const working = await launch('c', 3_600);
    arm.stopGuest(stopped);

    await functions.fire('reap');

    const left = [...arm.machines.values()].filter((each) => each.provisioningState !== 'Deleting');
    expect(left.map(({ name }) => name)).toEqual([working]);
  });

  it('fails where the host sees it, if machines cannot be looked after', async () => {
    arm.refusals.push({ name: 'list', code: 'AuthorizationFailed', status: 403 });

    await expect(functions.fire('reap')).rejects.toThrow('AuthorizationFailed');
  });
});
