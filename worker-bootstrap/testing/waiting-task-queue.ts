import { setTimeout as delay } from 'node:timers/promises';
import type { Received, TaskQueue } from '../../core/ports.ts';
import { InMemoryTaskQueue } from '../../test/fakes/in-memory-task-queue.ts';

export interface ReceiveCall {
  readonly maxMessages: number;
  readonly waitSeconds: number;
  readonly leaseSeconds: number;
}

/** A second of a long poll: SQS takes whole ones only, and a test has better things to do than to sit them out. */
const POLL_SECOND_MS = 100;

/** The in-memory queue in real time: a long poll waits, and what was asked for is remembered. */
export class WaitingTaskQueue extends InMemoryTaskQueue implements TaskQueue {
  readonly receives: ReceiveCall[] = [];
  readonly leaseChanges: { readonly leases: number; readonly seconds: number }[] = [];
  readonly acknowledged: string[] = [];
  pollsInFlight = 0;

  constructor() {
    super({ clock: { now: () => new Date() } });
  }

  override async receive(options: ReceiveCall): Promise<Received> {
    this.receives.push(options);
    this.pollsInFlight += 1;
    try {
      const deadline = performance.now() + options.waitSeconds * POLL_SECOND_MS;
      for (;;) {
        const received = await super.receive(options);
        if (received.leases.length + received.unreadable.length > 0 || performance.now() >= deadline) return received;
        await delay(10);
      }
    } finally {
      this.pollsInFlight -= 1;
    }
  }

  override async changeLease(leases: readonly { receiptHandle: string }[], seconds: number): Promise<void> {
    this.leaseChanges.push({ leases: leases.length, seconds });
    await super.changeLease(leases, seconds);
  }

  override async acknowledge(leases: readonly { receiptHandle: string }[]): Promise<void> {
    this.acknowledged.push(...leases.map((lease) => lease.receiptHandle));
    await super.acknowledge(leases);
  }
}
