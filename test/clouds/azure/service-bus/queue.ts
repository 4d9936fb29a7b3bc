/**
 * One queue of Service Bus, without any protocol: messages are locked for a while, and settled under that lock ("Message
 * transfers, locks, and settlement", learn.microsoft.com/azure/service-bus-messaging).
 *
 * - A lock lasts 5 minutes at most; renewed, it lasts as long again from then on.
 * - `deliveryCount` grows when a lock ends without the message being settled, or is given up ("Message sequencing and
 *   timestamps", "Service Bus dead-letter queues"): a message that nobody had yet has 0.
 * - When it reaches the queue's `maxDeliveryCount`, the message moves to the dead letters ("Overview of Service Bus
 *   dead-letter queues": `MaxDeliveryCountExceeded`).
 * - A scheduled message cannot be received before its time.
 */
import { randomUUID } from 'node:crypto';
import type { TimerClock } from '../../../../adapters/timer-clock.ts';

export interface QueueSettings {
  /** 1 to 300. */
  readonly lockSeconds?: number;
  readonly maxDeliveryCount?: number;
}

export interface MessageContent {
  readonly messageId: string;
  readonly body: Buffer;
  readonly contentType?: string | undefined;
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface StoredMessage extends MessageContent {
  readonly sequenceNumber: number;
  readonly enqueuedAt: number;
  deliveryCount: number;
  /** Absent while nobody has it. */
  lock: { readonly token: string; readonly until: number } | null;
  /** Not before then. */
  readonly scheduledAt: number;
}

export type LockedMessage = StoredMessage & { readonly lock: NonNullable<StoredMessage['lock']> };

export interface QueueCounts {
  /** Locked ones too. */
  readonly active: number;
  /** Of the active ones; the service does not tell. */
  readonly locked: number;
  readonly scheduled: number;
  readonly deadLetters: number;
}

/** "The maximum value is 5 minutes" ("Message transfers, locks, and settlement"). */
const MAX_LOCK_SECONDS = 300;

export class ServiceBusQueue {
  readonly name: string;
  readonly lockSeconds: number;
  readonly maxDeliveryCount: number;
  readonly deadLetters: ServiceBusQueue | null;
  readonly #clock: TimerClock;
  /** In the order of their sequence numbers. */
  readonly #messages = new Map<number, StoredMessage>();
  readonly #byToken = new Map<string, StoredMessage>();
  readonly #waiters = new Set<() => void>();
  #lastNumber = 0;
  #cancelWake = (): void => undefined;

  constructor(name: string, clock: TimerClock, settings: QueueSettings = {}, isDeadLetters = false) {
    const { lockSeconds = 60, maxDeliveryCount = 10 } = settings;
    if (lockSeconds < 1 || lockSeconds > MAX_LOCK_SECONDS) throw new RangeError(`a lock of ${lockSeconds} s`);
    this.name = name;
    this.lockSeconds = lockSeconds;
    // What is a dead letter stays one.
    this.maxDeliveryCount = isDeadLetters ? Number.POSITIVE_INFINITY : maxDeliveryCount;
    this.deadLetters = isDeadLetters ? null : new ServiceBusQueue(`${name}/$deadletterqueue`, clock, settings, true);
    this.#clock = clock;
  }

  /** @param scheduledAt milliseconds since 1970; in the past, or absent: now */
  send(content: MessageContent, scheduledAt = 0): number {
    this.#lastNumber += 1;
    const sequenceNumber = this.#lastNumber;
    const enqueuedAt = Math.max(this.#now(), scheduledAt);
    this.#messages.set(sequenceNumber, {
      ...content,
      sequenceNumber,
      enqueuedAt,
      scheduledAt,
      deliveryCount: 0,
      lock: null,
    });
    this.#wake();
    return sequenceNumber;
  }

  /** The oldest message that nobody has. */
  lockNext(): LockedMessage | undefined {
    const message = this.#next();
    if (!message) return undefined;
    const lock = { token: randomUUID(), until: this.#now() + this.lockSeconds * 1_000 };
    message.lock = lock;
    this.#byToken.set(lock.token, message);
    this.#planWake();
    return Object.assign(message, { lock });
  }

  /** Received and deleted in one. */
  takeNext(): StoredMessage | undefined {
    const message = this.#next();
    if (message) this.#messages.delete(message.sequenceNumber);
    return message;
  }

  /** Each of these says whether the lock was still good. */
  complete(token: string): boolean {
    const message = this.#unlock(token);
    if (message) this.#messages.delete(message.sequenceNumber);
    return message !== undefined;
  }

  abandon(token: string): boolean {
    const message = this.#unlock(token);
    if (message) this.#return(message);
    return message !== undefined;
  }

  deadLetter(token: string, reason?: string, description?: string): boolean {
    const message = this.#unlock(token);
    if (message) this.#bury(message, reason, description);
    return message !== undefined;
  }

  /** @returns until when it is locked now, in milliseconds since 1970 */
  renew(token: string): number | undefined {
    this.#expire();
    const message = this.#byToken.get(token);
    if (!message) return undefined;
    const until = this.#now() + this.lockSeconds * 1_000;
    message.lock = { token, until };
    this.#planWake();
    return until;
  }

  counts(): QueueCounts {
    this.#expire();
    const all = [...this.#messages.values()];
    const scheduled = all.filter(({ scheduledAt }) => scheduledAt > this.#now()).length;
    return {
      active: all.length - scheduled,
      locked: this.#byToken.size,
      scheduled,
      deadLetters: this.deadLetters?.counts().active ?? 0,
    };
  }

  /** Messages as they stand, locked or not, from a sequence number on. */
  peek(fromSequenceNumber: number, count: number): readonly StoredMessage[] {
    this.#expire();
    const after = [...this.#messages.values()].filter((each) => each.sequenceNumber >= fromSequenceNumber);
    return after.slice(0, count);
  }

  /** Calls back whenever there may be something to receive; what it returns ends that. */
  onArrival(callback: () => void): () => void {
    this.#waiters.add(callback);
    this.#planWake();
    return () => this.#waiters.delete(callback);
  }

  #now(): number {
    return this.#clock.now().getTime();
  }

  #next(): StoredMessage | undefined {
    this.#expire();
    const now = this.#now();
    for (const message of this.#messages.values()) {
      if (message.lock === null && message.scheduledAt <= now) return message;
    }
    return undefined;
  }

  #expire(): void {
    const now = this.#now();
    const over = [...this.#byToken.values()].filter(({ lock }) => lock !== null && lock.until <= now);
    for (const message of over) {
      this.#byToken.delete(message.lock?.token ?? '');
      this.#return(message);
    }
  }

  #unlock(token: string): StoredMessage | undefined {
    this.#expire();
    const message = this.#byToken.get(token);
    this.#byToken.delete(token);
    return message;
  }

  #return(message: StoredMessage): void {
    message.lock = null;
    message.deliveryCount += 1;
    if (message.deliveryCount >= this.maxDeliveryCount) {
      const description = `Message could not be consumed after ${message.deliveryCount} delivery attempts.`;
      this.#bury(message, 'MaxDeliveryCountExceeded', description);
    } else this.#wake();
  }

  #bury(message: StoredMessage, DeadLetterReason?: string, DeadLetterErrorDescription?: string): void {
    this.#messages.delete(message.sequenceNumber);
    const why = { DeadLetterReason, DeadLetterErrorDescription };
    const told = Object.entries(why).filter(([, value]) => value !== undefined);
    const { messageId, body, contentType, properties } = message;
    const content = { messageId, body, contentType, properties: { ...properties, ...Object.fromEntries(told) } };
    this.deadLetters?.send(content);
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
    this.#planWake();
  }

  /** Whoever waits is to hear of locks that end and of scheduled messages that are due. */
  #planWake(): void {
    this.#cancelWake();
    this.#cancelWake = () => undefined;
    if (this.#waiters.size === 0) return;
    const now = this.#now();
    const times = [...this.#messages.values()].map(({ lock, scheduledAt }) => lock?.until ?? scheduledAt);
    const next = Math.min(...times.filter((time) => time > now));
    if (!Number.isFinite(next)) return;
    this.#cancelWake = this.#clock.after(next - now, () => {
      this.#expire();
      this.#wake();
    });
  }
}
