/**
 * The event source mapping of a queue and its function: what the function did not name as failed is deleted, all else
 * comes again when its visibility ends.
 */
import type { QueueRecord } from '../../functions/queue-batch.ts';
import type { Handled } from './lambdas.ts';
import type { UnreliableQueue } from './queues.ts';
import type { World } from './world.ts';

/** As in `resources/queues.yml`. */
export const STATUS_VISIBILITY_SECONDS = 360;
export const DELAYED_VISIBILITY_SECONDS = 180;
export const DEAD_LETTER_VISIBILITY_SECONDS = 180;

export interface EventSource {
  readonly queue: UnreliableQueue;
  readonly visibilitySeconds: number;
  readonly batchSize: number;
  readonly maximumConcurrency: number;
  readonly handle: (records: readonly QueueRecord[]) => Promise<Handled>;
}

/** Polls for as long as the world lasts. */
export async function pollQueue(source: EventSource, world: World): Promise<void> {
  const { scheduler, random } = world;
  let running = 0;
  for (;;) {
    if (running >= source.maximumConcurrency) {
      await scheduler.sleep(200);
      continue;
    }
    const batch = source.queue.receive(random.int(1, source.batchSize), source.visibilitySeconds);
    if (batch.length === 0) {
      await source.queue.whenChanged(Number.POSITIVE_INFINITY);
      continue;
    }
    running += 1;
    void source.handle(batch).then(
      ({ failed }) => {
        running -= 1;
        for (const { messageId, receiptHandle } of batch) {
          if (!failed.has(messageId) && !world.faults.happens('partial')) source.queue.delete(receiptHandle);
        }
      },
      () => {
        running -= 1;
      },
    );
    await scheduler.sleep(random.int(1, 500));
  }
}
