/**
 * Pub/Sub and Cloud Storage in a process of their own: `node test/clouds/gcp/main.ts`. Prints where they listen as one line
 * of JSON. Ports come from SHOAL_PUBSUB_PORT, SHOAL_PUBSUB_GRPC_PORT and SHOAL_STORAGE_PORT; any free ones otherwise.
 * SHOAL_BUCKETS and SHOAL_TOPICS (`projects/p/topics/t`, each with a subscription of its name) are made at once.
 */
import { startPubSub } from './start-pubsub.ts';
import { startStorage } from './start-storage.ts';

const port = (name: string): number => Number(process.env[name] ?? 0);
const list = (name: string): string[] => (process.env[name] ?? '').split(',').filter((each) => each !== '');

const pubSub = await startPubSub({ port: port('SHOAL_PUBSUB_PORT'), grpcPort: port('SHOAL_PUBSUB_GRPC_PORT') });
const storage = await startStorage({ port: port('SHOAL_STORAGE_PORT') });
for (const bucket of list('SHOAL_BUCKETS')) storage.buckets.create(bucket);
for (const topic of list('SHOAL_TOPICS')) {
  pubSub.broker.createTopic(topic);
  pubSub.broker.createSubscription(topic.replace('/topics/', '/subscriptions/'), { topic, ackDeadlineSeconds: 60 });
}
process.stdout.write(
  `${JSON.stringify({ pubSubUrl: pubSub.url, pubSubGrpcHost: pubSub.grpcHost, storageUrl: storage.url })}\n`,
);
const stop = (): void => void Promise.all([pubSub.stop(), storage.stop()]).then(() => process.exit(0));
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
