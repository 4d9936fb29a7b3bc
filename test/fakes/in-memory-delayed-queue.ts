import { toAsciiJson } from '../../core/ascii-json.ts';
import type { DelayedMessage } from '../../core/messages.ts';
import type { Clock, DelayedQueue } from '../../core/ports.ts';
import { InMemoryQueue, type InMemoryQueueOptions } from './in-memory-queue.ts';

/** As long as one hop through SQS may wait. */
const MAX_DELAY_SECONDS = 900;

export class InMemoryDelayedQueue implements DelayedQueue {
  readonly queue: InMemoryQueue;
  readonly #clock: Clock;

  constructor(options: InMemoryQueueOptions, queue = new InMemoryQueue(options)) {
    this.queue = queue;
    this.#clock = options.clock;
  }

  async send(messages: readonly DelayedMessage[]): Promise<void> {
    for (const delayed of messages) {
      const seconds = Math.max(0, Math.ceil((Date.parse(delayed.dueAt) - this.#clock.now().getTime()) / 1_000));
      this.queue.send(toAsciiJson(delayed), Math.min(MAX_DELAY_SECONDS, seconds));
    }
  }
}
