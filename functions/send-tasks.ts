/** Task messages on their way: each to the queue of its fleet and priority. */
import type { TaskMessage } from '../core/messages.ts';
import type { TaskQueues } from '../core/ports.ts';

/**
 * A queue that takes nothing keeps no other from getting its own.
 * @throws what the first of them threw, once all the others were sent; sending all again is harmless
 */
export async function sendTasks(messages: readonly TaskMessage[], queues: TaskQueues): Promise<void> {
  const groups = [...Map.groupBy(messages, ({ fleet, priority }) => `${fleet}/${priority}`).values()];
  const sent = await Promise.allSettled(
    groups.map(async (group) => {
      const [first] = group;
      if (first) await queues(first.fleet, first.priority).send(group);
    }),
  );
  const failed = sent.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}
