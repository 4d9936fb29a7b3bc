/**
 * A queue with SQS's manners, in memory: at least once, visibility timeouts by an injected clock, a new receipt handle
 * for every receive. A receive never waits: whoever moves the clock asks again.
 */
import type { Clock } from '../../core/ports.ts';

export interface QueueMessage {
  readonly messageId: string;
  readonly receiptHandle: string;
  /** How often it was received, this time included. */
  readonly receiveCount: number;
  readonly body: string;
  readonly sentAt: Date;
}

export interface InMemoryQueueOptions {
  readonly clock: Clock;
  /** Makes message ids and receipt handles; a seeded one makes a run repeatable. */
  readonly newId?: () => string;
  /** A message received more often than this goes to the dead letters instead. */
  readonly maxReceiveCount?: number;
  /** Told of each that goes there. */
  readonly onDeadLetter?: (body: string) => void;
  /** A number in [0, 1): with it messages come in any order, as SQS says they may. */
  readonly random?: () => number;
}

interface Stored {
  readonly messageId: string;
  readonly body: string;
  readonly sentAt: number;
  visibleAt: number;
  receiveCount: number;
  receiptHandle: string | null;
}

const RETENTION_MS = 14 * 86_400_000;

export class InMemoryQueue {
  /** Bodies of messages that were received too often. */
  readonly deadLetters: string[] = [];
  #stored: Stored[] = [];
  readonly #options: InMemoryQueueOptions;
  readonly #newId: () => string;

  constructor(options: InMemoryQueueOptions) {
    this.#options = options;
    this.#newId = options.newId ?? (() => crypto.randomUUID());
  }

  send(body: string, delaySeconds = 0): void {
    const sentAt = this.#now();
    const visibleAt = sentAt + delaySeconds * 1_000;
    this.#stored.push({ messageId: this.#newId(), body, sentAt, visibleAt, receiveCount: 0, receiptHandle: null });
  }

  receive(maxMessages: number, visibilitySeconds: number): QueueMessage[] {
    const taken: QueueMessage[] = [];
    while (taken.length < maxMessages) {
      const stored = this.#next();
      if (!stored) break;
      stored.receiveCount += 1;
      if (stored.receiveCount > (this.#options.maxReceiveCount ?? Number.POSITIVE_INFINITY)) {
        this.#remove(stored);
        this.deadLetters.push(stored.body);
        this.#options.onDeadLetter?.(stored.body);
        continue;
      }
      const receiptHandle = this.#newId();
      stored.receiptHandle = receiptHandle;
      stored.visibleAt = this.#now() + visibilitySeconds * 1_000;
      taken.push({
        messageId: stored.messageId,
        receiptHandle,
        receiveCount: stored.receiveCount,
        body: stored.body,
        sentAt: new Date(stored.sentAt),
      });
    }
    return taken;
  }

  /** Deletes by the latest receipt handle; an older one succeeds and deletes nothing, as SQS may. */
  delete(receiptHandle: string): void {
    const stored = this.#byReceipt(receiptHandle);
    if (stored) this.#remove(stored);
  }

  /** Says `false`, and changes nothing, when the lease has lapsed or the handle is not the latest. */
  changeVisibility(receiptHandle: string, visibilitySeconds: number): boolean {
    const stored = this.#byReceipt(receiptHandle);
    if (!stored || stored.visibleAt <= this.#now()) return false;
    stored.visibleAt = this.#now() + visibilitySeconds * 1_000;
    return true;
  }

  depth(): { visible: number; inFlight: number; delayed: number } {
    const hidden = this.#present().filter((each) => each.visibleAt > this.#now());
    const delayed = hidden.filter((each) => each.receiptHandle === null).length;
    return { visible: this.#stored.length - hidden.length, inFlight: hidden.length - delayed, delayed };
  }

  /** When the next hidden message shows, in milliseconds: to this a simulator may move its clock. */
  nextVisibleAt(): number | undefined {
    const times = this.#present().map((each) => each.visibleAt);
    return times.length ? Math.min(...times) : undefined;
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }

  #present(): readonly Stored[] {
    this.#stored = this.#stored.filter((each) => this.#now() - each.sentAt < RETENTION_MS);
    return this.#stored;
  }

  #next(): Stored | undefined {
    const visible = this.#present().filter((each) => each.visibleAt <= this.#now());
    return visible[Math.floor((this.#options.random?.() ?? 0) * visible.length)];
  }

  #byReceipt(receiptHandle: string): Stored | undefined {
    return this.#present().find((each) => each.receiptHandle === receiptHandle);
  }

  #remove(stored: Stored): void {
    this.#stored = this.#stored.filter((each) => each !== stored);
  }
}
