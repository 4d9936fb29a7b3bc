import { Fifo } from './fifo.ts';
import type { QueuedMessage } from './message.ts';

/**
 * The visible messages of a queue. Message groups take turns, so that a large tenant does not keep a small one
 * waiting: a plain approximation of SQS fair queues. Within a group, and without groups, the oldest comes first.
 */
export class FairBacklog {
  readonly #groups = new Map<string, Fifo<QueuedMessage>>();
  readonly #turns = new Fifo<string>();

  push(message: QueuedMessage): void {
    const name = message.groupId ?? '';
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = new Fifo();
      this.#groups.set(name, group);
      this.#turns.push(name);
    }
    group.push(message);
  }

  /** The next visible message; those deleted meanwhile are dropped on the way. */
  shift(): QueuedMessage | undefined {
    for (let name = this.#turns.shift(); name !== undefined; name = this.#turns.shift()) {
      const group = this.#groups.get(name);
      const message = group?.shift();
      if (group === undefined || group.isEmpty) this.#groups.delete(name);
      else this.#turns.push(name);
      if (message?.state === 'visible') return message;
    }
    return undefined;
  }
}
