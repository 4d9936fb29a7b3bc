import { toAsciiJson } from '../../core/ascii-json.ts';
import type { Priority } from '../../core/ids.ts';
import { type TaskMessage, taskMessageSchema } from '../../core/messages.ts';
import type { QueueDepth } from '../../core/plan-scale.ts';
import type { Lease, Received, TaskQueue, UnreadableMessage } from '../../core/ports.ts';
import { InMemoryQueue, type InMemoryQueueOptions, type QueueMessage } from './in-memory-queue.ts';

export class InMemoryTaskQueue implements TaskQueue {
  /** The queue beneath: here a test puts what no task queue should hold. */
  readonly queue: InMemoryQueue;
  readonly #newLeaseId: () => string;

  constructor(options: InMemoryQueueOptions, queue = new InMemoryQueue(options)) {
    this.queue = queue;
    this.#newLeaseId = options.newId ?? (() => crypto.randomUUID());
  }

  async send(messages: readonly TaskMessage[]): Promise<void> {
    for (const message of messages) this.queue.send(toAsciiJson(message));
  }

  async receive(options: { maxMessages: number; waitSeconds: number; leaseSeconds: number }): Promise<Received> {
    const leases: Lease[] = [];
    const unreadable: UnreadableMessage[] = [];
    for (const received of this.queue.receive(Math.min(10, options.maxMessages), options.leaseSeconds)) {
      const { receiptHandle, receiveCount } = received;
      const read = readMessage(received);
      if (typeof read === 'string') unreadable.push({ receiptHandle, receiveCount, reason: read });
      else leases.push({ leaseId: this.#newLeaseId(), receiptHandle, receiveCount, message: read });
    }
    return { leases, unreadable };
  }

  async acknowledge(leases: readonly Pick<Lease, 'receiptHandle'>[]): Promise<void> {
    for (const { receiptHandle } of leases) this.queue.delete(receiptHandle);
  }

  async changeLease(leases: readonly Pick<Lease, 'receiptHandle'>[], leaseSeconds: number): Promise<void> {
    for (const { receiptHandle } of leases) this.queue.changeVisibility(receiptHandle, leaseSeconds);
  }

  async depth(): Promise<QueueDepth | null> {
    return this.queue.depth();
  }
}

/** The message, or why it is none. */
function readMessage({ body }: QueueMessage): TaskMessage | string {
  try {
    const parsed = taskMessageSchema.safeParse(JSON.parse(body));
    return parsed.success ? parsed.data : parsed.error.message;
  } catch (error) {
    return String(error);
  }
}

/** One queue for each fleet and priority, made when it is first asked for. */
export function inMemoryTaskQueues(
  options: InMemoryQueueOptions,
): (fleet: string, priority: Priority) => InMemoryTaskQueue {
  const queues = new Map<string, InMemoryTaskQueue>();
  return (fleet, priority) => {
    const name = `${fleet}/${priority}`;
    const queue = queues.get(name) ?? new InMemoryTaskQueue(options);
    queues.set(name, queue);
    return queue;
  };
}
