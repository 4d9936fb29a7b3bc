/** The servers that stand for GCP, with the resources that adapters expect: each call makes fresh ones. */
import { afterAll, beforeAll } from 'vitest';
import { taskQueueName } from '../../core/ids.ts';
import type { Subscription } from '../clouds/gcp/pubsub/subscription.ts';
import { VirtualTime } from '../clouds/gcp/server-time.ts';
import { type PubSubServer, startPubSub } from '../clouds/gcp/start-pubsub.ts';
import { type StorageServer, startStorage } from '../clouds/gcp/start-storage.ts';

const PROJECT = 'projects/shoal-tests';
const DEAD_LETTERS = `${PROJECT}/topics/shoal-dead-letters-test`;
/** As the deployment makes them: the shortest deadline there is, for what lies between a pull and its first lock. */
const ACK_DEADLINE_SECONDS = 60;

export class GcpWorld {
  readonly time: VirtualTime;
  readonly pubSub: PubSubServer;
  readonly storage: StorageServer;
  #fleets = 0;
  #buckets = 0;

  private constructor(pubSub: PubSubServer, storage: StorageServer, time: VirtualTime) {
    this.pubSub = pubSub;
    this.storage = storage;
    this.time = time;
  }

  static async start(): Promise<GcpWorld> {
    const time = new VirtualTime();
    const world = new GcpWorld(await startPubSub({ time, grpcPort: null }), await startStorage(), time);
    world.pubSub.broker.createTopic(DEAD_LETTERS);
    return world;
  }

  async stop(): Promise<void> {
    await Promise.all([this.pubSub.stop(), this.storage.stop()]);
  }

  /** The address of an empty bucket. */
  bucketUrl(): string {
    this.#buckets += 1;
    this.storage.buckets.create(`bucket-${this.#buckets}`);
    return `${this.storage.url}/bucket-${this.#buckets}`;
  }

  get queueUrlPrefix(): string {
    return `${this.pubSub.url}/v1/${PROJECT}/`;
  }

  /** A topic and its subscription, of one name. */
  queue(name: string, policies: object = { deadLetterPolicy: { deadLetterTopic: DEAD_LETTERS } }): Subscription {
    const { broker } = this.pubSub;
    const topic = `${PROJECT}/topics/${name}`;
    broker.createTopic(topic);
    const config = { topic, ackDeadlineSeconds: ACK_DEADLINE_SECONDS, ...policies };
    return broker.createSubscription(`${PROJECT}/subscriptions/${name}`, config);
  }

  /** A fleet with a queue for tasks of normal priority. */
  fleet(policies?: object): { fleet: string; subscription: Subscription } {
    this.#fleets += 1;
    const fleet = `fleet-${this.#fleets}`;
    return { fleet, subscription: this.queue(taskQueueName(fleet, 'normal', 'test'), policies) };
  }
}

/** Servers for one test file: started before its tests, stopped after them. */
export function useGcpWorld(): () => GcpWorld {
  let world: GcpWorld | undefined;
  beforeAll(async () => {
    world = await GcpWorld.start();
  });
  afterAll(async () => {
    await world?.stop();
  });
  return () => {
    if (!world) throw new Error('the servers are not up yet');
    return world;
  };
}
