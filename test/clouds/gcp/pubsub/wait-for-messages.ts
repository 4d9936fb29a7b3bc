/** A pull that waits until there is something, for a bounded time. */
import type { ServerTime } from '../server-time.ts';
import type { Delivery } from './requests.ts';
import type { Subscription } from './subscription.ts';

/** How long Pub/Sub waits is not documented ("a bounded amount of time"): longer than our clients do. */
const LONGEST_WAIT_MS = 90_000;

export function waitForMessages(
  subscription: Subscription,
  maxMessages: number,
  { time, gone }: { time: ServerTime; gone: AbortSignal },
): Promise<Delivery[]> {
  const now = subscription.pull(maxMessages);
  if (now.length > 0 || gone.aborted) return Promise.resolve(now);
  return new Promise((resolve) => {
    const done = (deliveries: Delivery[]): void => {
      stopListening();
      stopWaiting();
      gone.removeEventListener('abort', leave);
      resolve(deliveries);
    };
    const leave = (): void => done([]);
    const look = (): void => {
      const found = subscription.pull(maxMessages);
      if (found.length > 0) done(found);
    };
    const stopListening = subscription.onReady(look);
    const stopWaiting = time.after(LONGEST_WAIT_MS, leave);
    gone.addEventListener('abort', leave, { once: true });
  });
}
