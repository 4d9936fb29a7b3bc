/** The queues of one namespace. Names are the same in any case ("Queues", Service Bus documentation). */
import type { TimerClock } from '../../../../adapters/timer-clock.ts';
import { type QueueSettings, ServiceBusQueue } from './queue.ts';

export class ServiceBusBroker {
  readonly #clock: TimerClock;
  readonly #queues = new Map<string, ServiceBusQueue>();

  constructor(clock: TimerClock) {
    this.#clock = clock;
  }

  now(): Date {
    return this.#clock.now();
  }

  /** Makes a queue; one that is there stays as it is. */
  create(name: string, settings: QueueSettings = {}): ServiceBusQueue {
    const key = name.toLowerCase();
    const queue = this.#queues.get(key) ?? new ServiceBusQueue(name, this.#clock, settings);
    this.#queues.set(key, queue);
    return queue;
  }

  delete(name: string): boolean {
    return this.#queues.delete(name.toLowerCase());
  }

  /** @param path a queue's name, or that of its dead letters: `tasks/$deadletterqueue` */
  find(path: string): ServiceBusQueue | undefined {
    const [, name = '', sub] = /^(.+?)(\/\$deadletterqueue)?$/i.exec(path.toLowerCase()) ?? [];
    const queue = this.#queues.get(name);
    return sub === undefined ? queue : (queue?.deadLetters ?? undefined);
  }
}
