/** Pub/Sub over gRPC, by the protocol definitions that Google's own client ships. */
import { createRequire } from 'node:module';
import {
  type handleBidiStreamingCall,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceClientConstructor,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import type { ServerTime } from '../server-time.ts';
import { type Broker, parsed } from './broker.ts';
import { type Named, received, toStatus, written } from './grpc-messages.ts';
import { acknowledgeSchema, modifyAckDeadlineSchema, pullSchema } from './requests.ts';
import { streamingPull } from './streaming-pull.ts';
import { waitForMessages } from './wait-for-messages.ts';

export async function startGrpc(
  broker: Broker,
  time: ServerTime,
  port: number,
): Promise<{ host: string; stop(): void }> {
  const { Publisher, Subscriber } = services();
  const server = new Server();
  server.addService(Publisher.service, publisher(broker));
  server.addService(Subscriber.service, subscriber(broker, time));
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, free) =>
      error ? reject(error) : resolve(free),
    );
  });
  return { host: `127.0.0.1:${bound}`, stop: () => server.forceShutdown() };
}

function services(): { Publisher: ServiceClientConstructor; Subscriber: ServiceClientConstructor } {
  const protos = createRequire(import.meta.url)('@google-cloud/pubsub/build/protos/protos.json');
  const definition = fromJSON(protos, { longs: Number, enums: String, defaults: true });
  // The package's own shape, which the loader cannot know.
  const loaded = loadPackageDefinition(definition) as unknown as {
    google: { pubsub: { v1: { Publisher: ServiceClientConstructor; Subscriber: ServiceClientConstructor } } };
  };
  return loaded.google.pubsub.v1;
}

const unary =
  (work: (request: Named, call: ServerUnaryCall<Named, object>) => object | Promise<object>) =>
  (call: ServerUnaryCall<Named, object>, done: sendUnaryData<object>): void => {
    void (async () => work(call.request, call))().then(
      (answer) => done(null, answer),
      (error: unknown) => done(toStatus(error)),
    );
  };

const publisher = (broker: Broker) => ({
  CreateTopic: unary(({ name = '' }) => {
    broker.createTopic(name);
    return { name };
  }),
  GetTopic: unary(({ topic = '' }) => ({ name: broker.topic(topic) })),
  ListTopics: unary(() => ({ topics: [...broker.topics].map((name) => ({ name })) })),
  DeleteTopic: unary(({ topic = '' }) => {
    broker.deleteTopic(topic);
    return {};
  }),
  Publish: unary((request) => ({ messageIds: broker.publish(request.topic ?? '', request) })),
});

const subscriber = (broker: Broker, time: ServerTime) => ({
  CreateSubscription: unary((request) => written(broker.createSubscription(request.name ?? '', request).config)),
  GetSubscription: unary(({ subscription = '' }) => written(broker.subscription(subscription).config)),
  ListSubscriptions: unary(() => ({
    subscriptions: [...broker.subscriptions.values()].map((each) => written(each.config)),
  })),
  DeleteSubscription: unary(({ subscription = '' }) => {
    broker.deleteSubscription(subscription);
    return {};
  }),
  Pull: unary(async (request, call) => {
    const { maxMessages, returnImmediately } = parsed(pullSchema, request);
    const subscription = broker.subscription(request.subscription ?? '');
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort());
    const got = returnImmediately
      ? subscription.pull(maxMessages)
      : await waitForMessages(subscription, maxMessages, { time, gone: gone.signal });
    return { receivedMessages: got.map(received) };
  }),
  Acknowledge: unary((request) => {
    broker.subscription(request.subscription ?? '').acknowledge(parsed(acknowledgeSchema, request).ackIds);
    return {};
  }),
  ModifyAckDeadline: unary((request) => {
    const { ackIds, ackDeadlineSeconds } = parsed(modifyAckDeadlineSchema, request);
    broker.subscription(request.subscription ?? '').modifyAckDeadline(ackIds, ackDeadlineSeconds);
    return {};
  }),
  StreamingPull: ((call) => streamingPull(call, broker)) satisfies handleBidiStreamingCall<Named, object>,
});
