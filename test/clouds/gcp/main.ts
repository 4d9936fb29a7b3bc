/**
 * Pub/Sub and Cloud Storage in a process of their own: `node test/clouds/gcp/main.ts`. Prints where they listen as one line
 * of JSON. Ports come from SHOAL_PUBSUB_PORT, SHOAL_PUBSUB_GRPC_PORT and SHOAL_STORAGE_PORT; any free ones otherwise.
 * SHOAL_BUCKETS and SHOAL_TOPICS (`projects/p/topics/t`, each with a subscription of its name) are made at once; the first
 * topic takes the dead letters of the others when SHOAL_DEAD_LETTERS is set. Anything else is made over REST.
 */
import { startPubSub } from './start-pubsub.ts';
import { startStorage } from './start-storage.ts';

const port = (name: string): number => Number(process.env[name] ?? 0);
const list = (name: string): string[] => (process.env[name] ?? '').split(',').filter((each) => each !== '');

const pubSub = await startPubSub({ port: port('SHOAL_PUBSUB_PORT'), grpcPort: port('SHOAL_PUBSUB_GRPC_PORT') });
const storage = await startStorage({ port: port('SHOAL_STORAGE_PORT') });
for (const bucket of list('SHOAL_BUCKETS')) storage.buckets.create(bucket);
const topics = list('SHOAL_TOPICS');
const deadLetterTopic = process.env['SHOAL_DEAD_LETTERS'] ? topics[0] : undefined;
for (const topic of topics) {
  pubSub.broker.createTopic(topic);
  const policy = deadLetterTopic && deadLetterTopic !== topic ? { deadLetterPolicy: { deadLetterTopic } } : {};
  const name = topic.replace('/topics/', '/subscriptions/');
  pubSub.broker.createSubscription(name, { topic, ackDeadlineSeconds: 60, ...policy });
}
process.stdout.write(
  `${JSON.stringify({ pubSubUrl: pubSub.url, pubSubGrpcHost: pubSub.grpcHost, storageUrl: storage.url })}\n`,
);
const stop = (): void => void Promise.all([pubSub.stop(), storage.stop()]).then(() => process.exit(0));
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
