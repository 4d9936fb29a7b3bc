/**
 * One job over three clouds: queues, buckets and bridges as each has them, machines as processes that hear of their end as
 * on each. One cloud fails half-way.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PRIORITIES, taskQueueName } from '../../core/ids.ts';
import { type Pipeline, startPipeline } from '../../local/pipeline.ts';
import { AzureFunctions } from '../clouds/azure/azure-functions.ts';
import { type RunningBlobs, startBlobs } from '../clouds/azure/blobs/start-blobs.ts';
import { type RunningServiceBus, startServiceBus } from '../clouds/azure/service-bus/start-service-bus.ts';
import { GcpFunction } from '../clouds/gcp/gcp-function.ts';
import { type PubSubServer, startPubSub } from '../clouds/gcp/start-pubsub.ts';
import { type StorageServer, startStorage } from '../clouds/gcp/start-storage.ts';
import { AZURE_CLOUD, GCP_CLOUD } from '../factories/clouds.ts';
import { ApiClient, until } from './api-client.ts';
import { processesWith } from './processes.ts';
import { type TaskRepository, taskRepository } from './task-repository.ts';

const STAGE = 'dev';
const FLEETS = ['near', 'far', 'further'] as const;
const TOPICS = `projects/${GCP_CLOUD.project}/topics`;
const LARGE = 6_000;
const TASKS = 120;

const COMMANDS = {
  // A large result goes into the bucket of the cloud where it was made.
  'work.js': `
    const { n } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
    console.log('at work on', n);
    setTimeout(() => console.log(JSON.stringify(n % 8 === 0 ? { n, text: 'x'.repeat(${LARGE}) } : { n })), 400);`,
};

let folder: string;
let repository: TaskRepository;
let pipeline: Pipeline;
let api: ApiClient;
let pubSub: PubSubServer;
let storage: StorageServer;
let bus: RunningServiceBus;
let blobs: RunningBlobs;
let gcpBridge: GcpFunction;
let azureBridge: AzureFunctions;

/** As gcp/ and azure/ make them. */
function makeQueues(): void {
  for (const priority of PRIORITIES) {
    const topic = `${TOPICS}/${taskQueueName('far', priority, STAGE)}`;
    pubSub.broker.createTopic(topic);
    pubSub.broker.createSubscription(topic.replace('/topics/', '/subscriptions/'), {
      topic,
      ackDeadlineSeconds: 60,
      deadLetterPolicy: { deadLetterTopic: `${TOPICS}/shoal-dead-letters-${STAGE}`, maxDeliveryAttempts: 6 },
    });
    bus.broker.create(taskQueueName('further', priority, STAGE), { lockSeconds: 60, maxDeliveryCount: 6 });
  }
  bus.broker.create(`shoal-status-${STAGE}`, { lockSeconds: 60, maxDeliveryCount: 10 });
}

async function startBridges({ sqsUrl, statusQueueUrl, deadLetterQueueUrl }: Pipeline['local']): Promise<void> {
  const home = {
    STAGE,
    AWS_REGION: 'us-east-1',
    STATUS_QUEUE_URL: statusQueueUrl,
    DEAD_LETTERS_QUEUE_URL: deadLetterQueueUrl,
    SQS_ENDPOINT: sqsUrl,
  };
  const role = (cloud: string): string => `arn:aws:iam::123456789012:role/shoal-bridge-${cloud}-${STAGE}`;
  [gcpBridge, azureBridge] = await Promise.all([
    GcpFunction.start({ target: 'bridge', environment: { ...home, AWS_ROLE_ARN: role('gcp') } }),
    AzureFunctions.start({
      ...home,
      AWS_ROLE_ARN: role('azure'),
      CLOUD: JSON.stringify(AZURE_CLOUD),
      TASK_QUEUES: PRIORITIES.map((priority) => taskQueueName('further', priority, STAGE)).join(','),
      CLIENT_ID: 'client',
      SERVICE_BUS: bus.connectionString,
      PAUSE_SECONDS: '0.05',
    }),
  ]);
  const topic = `${TOPICS}/shoal-status-${STAGE}`;
  pubSub.broker.createSubscription(topic.replace('/topics/', '/subscriptions/'), {
    topic,
    ackDeadlineSeconds: 60,
    retryPolicy: { minimumBackoff: '0.1s', maximumBackoff: '0.5s' },
    pushConfig: { pushEndpoint: `${gcpBridge.url}/status` },
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-clouds-'));
  repository = await taskRepository(COMMANDS);
  [pubSub, storage, bus, blobs] = await Promise.all([
    startPubSub({ grpcPort: null }),
    startStorage(),
    startServiceBus(),
    startBlobs(),
  ]);
  storage.buckets.create(GCP_CLOUD.bucket);
  blobs.container('shoal');
  for (const name of ['status', 'dead-letters']) pubSub.broker.createTopic(`${TOPICS}/shoal-${name}-${STAGE}`);
  makeQueues();
  // Large slots, and in a hurry: none of the fleets could take all of a job.
  const fleet = {
    idleSeconds: 20,
    maxInstances: 2,
    slot: { vcpu: 4, memoryMiB: 1024, diskGiB: 5 },
    drainTargetSeconds: 60,
  };
  pipeline = await startPipeline({
    dataDirectory: folder,
    fleets: {
      near: { provider: 'aws', ...fleet },
      far: { provider: 'gcp', ...fleet },
      further: { provider: 'azure', ...fleet },
    },
    clouds: {
      gcp: { ...GCP_CLOUD, endpoints: { pubsub: pubSub.url, storage: storage.url } },
      azure: { ...AZURE_CLOUD, endpoints: { serviceBus: bus.restUrl, storage: blobs.url } },
    },
    tickSeconds: 1,
    reportVisibilitySeconds: 3,
    environment: { LEAVE_CLOUD_SECONDS: '2' },
    machineEnvironment: { SHOAL_GRACE_SECONDS: '1', SHOAL_LEASE_GRACE_SECONDS: '2', SHOAL_CONTROL_SECONDS: '2' },
  });
  api = new ApiClient(pipeline.local);
  await startBridges(pipeline.local);
});

afterAll(async () => {
  await pipeline?.stop();
  await Promise.all([gcpBridge?.stop(), azureBridge?.stop()]);
  await Promise.all([pubSub, storage, bus, blobs].map((each) => each?.stop()));
  const left = await processesWith(folder);
  await repository?.remove();
  await rm(folder, { recursive: true, force: true });
  expect(left).toEqual([]);
});

const jobOf = (tasks: number) => ({
  name: 'three clouds',
  fleet: FLEETS,
  code: { repository: repository.url, run: ['node', 'work.js'] },
  // So long that all fleets together could not do it in time: each gets its part, whatever it costs there.
  expectedSeconds: 290,
  tasks: Array.from({ length: tasks }, (_, n) => ({ input: { n } })),
});

async function expectExact(jobId: string, tasks: number): Promise<void> {
  const audit = (await api.request('GET', `/v1/jobs/${jobId}/audit`)).json;
  expect(audit).toMatchObject({ consistent: true, differences: [] });
  const results = await api.results(jobId);
  expect(results.map(({ result }) => result)).toEqual(
    Array.from({ length: tasks }, (_, n) => (n % 8 === 0 ? { n, text: 'x'.repeat(LARGE) } : { n })),
  );
}

const fleetsThatRan = async (jobId: string): Promise<string[]> => {
  const { tasks } = (await api.request('GET', `/v1/jobs/${jobId}/tasks?limit=1000`)).json;
  const machines = (await api.request('GET', '/v1/instances?limit=1000')).json.instances;
  const fleetOf = new Map(machines.map(({ instanceId, fleet }: Record<string, string>) => [instanceId, fleet]));
  return [...new Set<string>(tasks.map(({ instanceId }: Record<string, string>) => fleetOf.get(instanceId ?? '')))];
};

describe('a job over three clouds', () => {
  it('runs on all of them, and comes home to one set of counters', async () => {
    const jobId = await api.submit(jobOf(48));

    const ended = await api.untilEnded(jobId, 90);

    expect(ended).toMatchObject({ status: 'COMPLETED', counters: { completed: 48, failed: 0, cancelled: 0 } });
    expect((await fleetsThatRan(jobId)).sort()).toEqual([...FLEETS].sort());
    await expectExact(jobId, 48);
  });

  it('leaves a cloud that fails: what has not started there moves, every task is counted once', async () => {
    const jobId = await api.submit(jobOf(TASKS));
    await until('some of it is done', 60, async () =>
      (await api.job(jobId)).counters.completed >= 10 ? true : undefined,
    );

    pubSub.faults.down = true;
    storage.faults.down = true;
    await gcpBridge.crash();
    const ended = await api.untilEnded(jobId, 110);

    expect(ended).toMatchObject({ status: 'COMPLETED', counters: { completed: TASKS, failed: 0, cancelled: 0 } });
    expect(ended.placement?.left).toMatchObject([{ fleet: 'far', reason: expect.stringContaining('not answer') }]);
    expect(ended.placement?.reasons.join('\n')).toContain('far is left for good');
    // What the cloud had done and not told comes late, and changes nothing.
    pubSub.faults.clear();
    storage.faults.clear();
    await gcpBridge.restart();
    await expectExact(jobId, TASKS);
  });
});
