import { toAsciiJson } from '../../core/ascii-json.ts';
import { BILLED_MESSAGE_BYTES, type StatusEvent, type StatusMessage } from '../../core/messages.ts';
import type { StatusChannel } from '../../core/ports.ts';
import type { InMemoryQueue } from './in-memory-queue.ts';

/** Packs events into messages of one billed request on a queue that a status consumer reads. */
export class InMemoryStatusChannel implements StatusChannel {
  readonly #queue: InMemoryQueue;
  readonly #source: string;

  constructor(options: { queue: InMemoryQueue; source: string }) {
    this.#queue = options.queue;
    this.#source = options.source;
  }

  async publish(events: readonly StatusEvent[]): Promise<void> {
    let packed: StatusEvent[] = [];
    for (const event of events) {
      if (packed.length && this.#body([...packed, event]).length > BILLED_MESSAGE_BYTES) {
        this.#queue.send(this.#body(packed));
        packed = [];
      }
      packed.push(event);
    }
    if (packed.length) this.#queue.send(this.#body(packed));
  }

  #body(events: StatusEvent[]): string {
    return toAsciiJson({ v: 1, source: this.#source, events } satisfies StatusMessage);
  }
}
