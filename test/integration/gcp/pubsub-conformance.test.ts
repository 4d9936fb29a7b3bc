/**
 * The same checks over our Pub/Sub server and over Google's emulator: what our adapters are tested against is what Google's
 * own client talks to. Without the Google Cloud CLI's `pubsub-emulator` only ours is checked.
 */
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { type Message, PubSub, v1 } from '@google-cloud/pubsub';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { pubSubTaskQueues } from '../../../adapters/gcp/pubsub-task-queue.ts';
import { taskQueueName } from '../../../core/ids.ts';
import { googlePubSubEmulator, startGooglePubSub } from '../../clouds/gcp/google-emulator.ts';
import { startPubSub } from '../../clouds/gcp/start-pubsub.ts';
import { taskIdFactory } from '../../factories/ids.ts';
import { taskMessageFactory } from '../../factories/task-message.ts';

// Google's libraries look for a metadata server wherever they run.
process.env['METADATA_SERVER_DETECTION'] = 'none';

const PROJECT = 'shoal-conformance';
const google = googlePubSubEmulator();
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;

interface Running {
  readonly grpcHost: string;
  readonly restUrl: string;
  stop(): Promise<void> | void;
}

async function ours(): Promise<Running> {
  const { url, grpcHost, stop } = await startPubSub();
  return { restUrl: url, grpcHost: grpcHost ?? '', stop };
}

async function googles(): Promise<Running> {
  const { host, stop } = await startGooglePubSub(google ?? '');
  return { restUrl: `http://${host}`, grpcHost: host, stop };
}

describe.each([
  { name: 'our server', start: ours, present: true },
  {
    name: `Google's emulator${google ? '' : ' (not installed: gcloud components install pubsub-emulator)'}`,
    start: googles,
    present: google !== undefined,
  },
])('$name, by Google’s own client', ({ start, present }) => {
  let running: Running;
  let client: PubSub;
  let subscriber: v1.SubscriberClient;
  let names = 0;

  beforeAll(async () => {
    if (!present) return;
    running = await start();
    const [servicePath = '', port] = running.grpcHost.split(':');
    client = new PubSub({ projectId: PROJECT, apiEndpoint: running.grpcHost, emulatorMode: true });
    subscriber = new v1.SubscriberClient({
      servicePath,
      port: Number(port),
      sslCreds: credentials.createInsecure(),
      projectId: PROJECT,
    });
  });
  afterAll(async () => {
    if (!present) return;
    await Promise.all([client.close(), subscriber.close()]);
    await running.stop();
  });

  const make = async (options: Parameters<ReturnType<PubSub['topic']>['createSubscription']>[1] = {}) => {
    names += 1;
    const [topic] = await client.createTopic(`topic-${names}`);
    const [subscription] = await topic.createSubscription(`subscription-${names}`, options);
    return { topic, subscription };
  };
  const pull = async (subscription: string, maxMessages = 10) =>
    (await subscriber.pull({ subscription, maxMessages, returnImmediately: true }))[0].receivedMessages ?? [];
  const pulled = (subscription: string) =>
    vi.waitFor(async () => {
      const [first] = await pull(subscription, 1);
      if (!first) throw new Error('nothing came');
      return first;
    }, 5_000);

  it.runIf(present)('streams what was published', async () => {
    const { topic, subscription } = await make();
    await topic.publishMessage({ data: Buffer.from('🐟'), attributes: { kind: 'fish' } });

    const stream = client.subscription(subscription.name);
    const message = await new Promise<Message>((resolve, reject) => {
      stream.once('message', resolve).once('error', reject);
    });
    message.ack();
    await stream.close();

    expect([message.data.toString(), message.attributes]).toEqual(['🐟', { kind: 'fish' }]);
  });

  it.runIf(present)('delivers nothing again that was acknowledged, and takes an acknowledgement twice', async () => {
    const { topic, subscription } = await make();
    await topic.publishMessage({ data: Buffer.from('once') });

    const { ackId } = await pulled(subscription.name);
    const acknowledgement = { subscription: subscription.name, ackIds: [ackId ?? ''] };
    await subscriber.acknowledge(acknowledgement);
    await subscriber.acknowledge(acknowledgement);

    expect(await pull(subscription.name)).toEqual([]);
  });

  it.runIf(present)(
    'delivers again what is given back, counts it, and forwards it at last with where it came from',
    async () => {
      const { topic: dead, subscription: letters } = await make();
      const deadLetterPolicy = { deadLetterTopic: dead.name, maxDeliveryAttempts: 5 };
      const { topic, subscription } = await make({ deadLetterPolicy });
      await topic.publishMessage({ data: Buffer.from('poison') });

      const attempts: unknown[] = [];
      for (let n = 1; n <= 5; n += 1) {
        const { ackId, deliveryAttempt } = await pulled(subscription.name);
        attempts.push(deliveryAttempt);
        await subscriber.modifyAckDeadline({
          subscription: subscription.name,
          ackIds: [ackId ?? ''],
          ackDeadlineSeconds: 0,
        });
      }
      // Google's emulator forwards it when somebody pulls, not when it was given back.
      expect(await pull(subscription.name)).toEqual([]);
      const letter = await pulled(letters.name);

      expect(attempts).toEqual([1, 2, 3, 4, 5]);
      expect(letter.message?.data?.toString()).toBe('poison');
      expect(letter.message?.attributes).toMatchObject({
        CloudPubSubDeadLetterSourceDeliveryCount: '5',
        CloudPubSubDeadLetterSourceSubscription: subscription.name.split('/').at(-1),
        CloudPubSubDeadLetterSourceSubscriptionProject: PROJECT,
      });
      expect(letter.deliveryAttempt).toBe(0);
    },
  );

  it.runIf(present)('refuses what the documentation says it refuses', async () => {
    const { topic, subscription } = await make();
    const publisher = new v1.PublisherClient({
      servicePath: '127.0.0.1',
      port: Number(running.grpcHost.split(':')[1]),
      sslCreds: credentials.createInsecure(),
      projectId: PROJECT,
    });
    const message = { data: Buffer.from('x') };
    const refused = (call: Promise<unknown>) =>
      call.then(
        () => 0,
        (error: { code?: number }) => error.code,
      );

    const codes = await Promise.all([
      refused(client.createTopic(topic.name)),
      refused(publisher.publish({ topic: `projects/${PROJECT}/topics/nothing`, messages: [message] })),
      refused(publisher.publish({ topic: topic.name, messages: Array.from({ length: 1_001 }, () => message) })),
      refused(publisher.publish({ topic: topic.name, messages: [] })),
      refused(publisher.publish({ topic: topic.name, messages: [{}] })),
      refused(subscriber.acknowledge({ subscription: subscription.name, ackIds: ['bogus'] })),
      refused(subscriber.acknowledge({ subscription: subscription.name, ackIds: [] })),
      refused(subscriber.pull({ subscription: subscription.name, maxMessages: 0 })),
      refused(subscriber.pull({ subscription: `projects/${PROJECT}/subscriptions/nothing`, maxMessages: 1 })),
    ]);
    await publisher.close();

    const invalid = INVALID_ARGUMENT;
    expect(codes).toEqual([ALREADY_EXISTS, NOT_FOUND, invalid, invalid, invalid, invalid, invalid, invalid, NOT_FOUND]);
  });

  it.runIf(present)('pushes each message until it is answered with success', async () => {
    const bodies: { message: { data: string; messageId: string }; subscription: string }[] = [];
    const server = createServer((request, response) => {
      void buffer(request).then((body) => {
        bodies.push(JSON.parse(body.toString()));
        response.writeHead(bodies.length === 1 ? 500 : 204).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const { topic, subscription } = await make({ pushConfig: { pushEndpoint: `http://127.0.0.1:${port}/` } });

    await topic.publishMessage({ data: Buffer.from('pushed') });
    await vi.waitFor(() => expect(bodies).toHaveLength(2), 10_000);
    await subscription.delete();
    server.close();

    expect(bodies[1]).toEqual(bodies[0]);
    expect(bodies[0]).toMatchObject({
      message: {
        data: Buffer.from('pushed').toString('base64'),
        messageId: expect.any(String),
        publishTime: expect.any(String),
      },
      subscription: subscription.name,
    });
  });

  it.runIf(present)('serves our task queue over REST: leases, gives back, lapses and acknowledges', async () => {
    const name = taskQueueName('conformance', 'normal', 'test');
    const [dead] = await client.createTopic('shoal-dead-letters-test');
    const [topic] = await client.createTopic(name);
    await topic.createSubscription(name, { ackDeadlineSeconds: 60, deadLetterPolicy: { deadLetterTopic: dead.name } });
    const queueUrlPrefix = `${running.restUrl}/v1/projects/${PROJECT}/`;
    const queues = pubSubTaskQueues({ queueUrlPrefix, stage: 'test', token: null });
    const queue = queues('conformance', 'normal');
    const leaseAll = async (count: number, leaseSeconds: number) => {
      const held: Awaited<ReturnType<typeof queue.receive>>['leases'][number][] = [];
      while (held.length < count) {
        held.push(...(await queue.receive({ maxMessages: 10, waitSeconds: 2, leaseSeconds })).leases);
      }
      return held;
    };

    await queue.send(Array.from({ length: 25 }, (_, n) => taskMessageFactory({ taskId: taskIdFactory(n) })));
    const first = await leaseAll(25, 300);
    expect((await queue.receive({ maxMessages: 10, waitSeconds: 0, leaseSeconds: 60 })).leases).toEqual([]);
    await queue.acknowledge(first.slice(0, 20));
    await queue.changeLease(first.slice(20, 24), 0);
    await queue.changeLease(first.slice(24), 1);

    const second = await leaseAll(5, 60);
    await queue.acknowledge(second);
    queues.stop();
    expect(first.map(({ receiveCount }) => receiveCount)).toEqual(first.map(() => 1));
    expect(second.map(({ receiveCount }) => receiveCount)).toEqual([2, 2, 2, 2, 2]);
    expect((await queue.receive({ maxMessages: 10, waitSeconds: 0, leaseSeconds: 60 })).leases).toEqual([]);
  });
});
