import { ManualClock } from '../factories/manual-clock.ts';
import { InMemoryDelayedQueue } from '../fakes/in-memory-delayed-queue.ts';
import { useAwsWorld } from './aws-world.ts';
import { describeDelayedQueueContract } from './delayed-queue.ts';
import { sqsDelayedQueueSetup } from './sqs-delayed-queue-setup.ts';

describeDelayedQueueContract('in memory', async () => {
  const clock = new ManualClock();
  const delayed = new InMemoryDelayedQueue({ clock });
  return {
    delayed,
    now: () => clock.now(),
    due: async () => delayed.queue.receive(100, 60).map(({ body }) => body),
    heldBack: async () => delayed.queue.depth().delayed,
    elapse: async (seconds) => clock.advance(seconds),
  };
});

const world = useAwsWorld();
describeDelayedQueueContract('SQS', async () => sqsDelayedQueueSetup(world().sqs, world().sqs, await world().queue()));
