/**
 * One standard queue in memory. A message is visible (in the backlog), in flight or delayed (in the heap, by the time
 * it becomes visible), and nothing else: the three counts are counters kept at each change of state, and one timer at
 * the head of the heap makes lapses happen on time, whether or not anybody polls. No step costs more than the
 * logarithm of what is hidden.
 */
import { randomUUID } from 'node:crypto';
import { AwsError } from '../protocol/aws-error.ts';
import { DueHeap } from './due-heap.ts';
import { FairBacklog } from './fair-backlog.ts';
import { asCopy, asDeadLetter, createMessage, type MessageDraft, type QueuedMessage } from './message.ts';
import type { QueueAttributes } from './queue-attributes.ts';
import { parseReceiptHandle } from './receipt-handle.ts';

export interface QueueEnvironment {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly findByArn: (arn: string) => Queue | undefined;
}

export interface ReceiveRequest {
  readonly maxMessages: number;
  readonly waitSeconds: number;
  readonly visibilityTimeoutSeconds: number;
  /** Aborted when the caller is gone: a message handed to nobody would be hidden for a whole lease. */
  readonly signal: AbortSignal;
}

interface Waiter {
  readonly request: ReceiveRequest;
  readonly settle: (messages: QueuedMessage[]) => void;
}

/** SQS lets nobody hold a message longer than this after its receipt. */
const longestLeaseSeconds = 43_200;

export class Queue {
  readonly name: string;
  readonly arn: string;
  readonly attributes: QueueAttributes;
  readonly createdAt: number;
  readonly #environment: QueueEnvironment;
  readonly #messages = new Map<string, QueuedMessage>();
  readonly #hidden = new DueHeap<QueuedMessage>();
  readonly #waiters = new Set<Waiter>();
  readonly #counts = { visible: 0, inFlight: 0, delayed: 0 };
  #backlog = new FairBacklog();
  #timer: NodeJS.Timeout | undefined;
  #timerDueAt = Number.POSITIVE_INFINITY;

  constructor(name: string, arn: string, attributes: QueueAttributes, environment: QueueEnvironment) {
    this.name = name;
    this.arn = arn;
    this.attributes = attributes;
    this.createdAt = environment.now();
    this.#environment = environment;
  }

  /** How many messages are visible, in flight and delayed at this moment. */
  counts(): Readonly<{ visible: number; inFlight: number; delayed: number }> {
    this.#settle();
    return { ...this.#counts };
  }

  send(draft: MessageDraft, delaySeconds: number): QueuedMessage {
    const now = this.#environment.now();
    const message = createMessage(draft, now);
    this.#messages.set(message.messageId, message);
    if (delaySeconds > 0) this.#hide(message, 'delayed', now + delaySeconds * 1000);
    else this.#show(message);
    this.#wakeSoon();
    return message;
  }

  /** Resolves at once with what is visible, or, when nothing is, as soon as something becomes so or the wait ends. */
  receive(request: ReceiveRequest): Promise<QueuedMessage[]> {
    this.#settle();
    const messages = this.#take(request);
    if (messages.length > 0 || request.waitSeconds === 0 || request.signal.aborted) return Promise.resolve(messages);
    return new Promise((resolve) => {
      const settle = (taken: QueuedMessage[]) => {
        clearTimeout(timer);
        request.signal.removeEventListener('abort', giveUp);
        this.#waiters.delete(waiter);
        resolve(taken);
      };
      const giveUp = () => settle([]);
      const timer = setTimeout(giveUp, request.waitSeconds * 1000);
      request.signal.addEventListener('abort', giveUp);
      const waiter = { request, settle };
      this.#waiters.add(waiter);
    });
  }

  /** Ends a message by the handle of its latest receive. An older handle succeeds and does nothing, as in SQS. */
  delete(receiptHandle: string): void {
    const { messageId, receipt } = parseReceiptHandle(this.name, receiptHandle);
    const message = this.#messages.get(messageId);
    if (message?.receipt === receipt) this.#discard(message);
  }

  /**
   * Moves the end of a lease to `seconds` from now; 0 gives the message back at once.
   *
   * @throws {AwsError} when the message is not in flight under this handle, or would be held for more than 12 hours
   */
  changeVisibility(receiptHandle: string, seconds: number): void {
    this.#settle();
    const { messageId, receipt } = parseReceiptHandle(this.name, receiptHandle);
    const message = this.#messages.get(messageId);
    if (message?.receipt !== receipt || message.state !== 'inFlight') throw notInFlight(receiptHandle);
    const now = this.#environment.now();
    const dueAt = now + seconds * 1000;
    if (dueAt - message.lastReceivedAt > longestLeaseSeconds * 1000) throw leaseTooLong(seconds);
    this.#unhide(message);
    if (seconds === 0) this.#show(message);
    else this.#hide(message, 'inFlight', dueAt);
    this.#wakeSoon();
  }

  /**
   * Makes a copy of a message visible, as SQS may when one of its servers missed a receipt or a deletion. The copy has a
   * life of its own, under the same name.
   */
  duplicate(receiptHandle: string): void {
    const original = this.#messages.get(parseReceiptHandle(this.name, receiptHandle).messageId);
    if (original === undefined) return;
    const copy = asCopy(original);
    this.#messages.set(copy.messageId, copy);
    this.#show(copy);
    this.#wakeSoon();
  }

  purge(): void {
    this.#messages.clear();
    this.#hidden.clear();
    this.#backlog = new FairBacklog();
    Object.assign(this.#counts, { visible: 0, inFlight: 0, delayed: 0 });
  }

  /** Answers everyone who waits, empty-handed. */
  endPolls(): void {
    for (const waiter of this.#waiters) waiter.settle([]);
  }

  /** Purges and ends all polls. */
  close(): void {
    this.purge();
    clearTimeout(this.#timer);
    this.endPolls();
  }

  #take(request: ReceiveRequest): QueuedMessage[] {
    const taken: QueuedMessage[] = [];
    while (taken.length < request.maxMessages && this.#counts.visible > 0) {
      const message = this.#backlog.shift();
      if (message === undefined) break;
      this.#counts.visible -= 1;
      if (!this.#moveToDeadLetters(message)) taken.push(this.#lease(message, request.visibilityTimeoutSeconds));
    }
    return taken;
  }

  #lease(message: QueuedMessage, visibilityTimeoutSeconds: number): QueuedMessage {
    const now = this.#environment.now();
    message.receiveCount += 1;
    message.firstReceivedAt ??= now;
    message.lastReceivedAt = now;
    message.receipt = randomUUID();
    this.#hide(message, 'inFlight', now + visibilityTimeoutSeconds * 1000);
    return message;
  }

  /** SQS moves a message when it would be received once too often, not when its last lease ends. */
  #moveToDeadLetters(message: QueuedMessage): boolean {
    const policy = this.attributes.redrive;
    if (policy === undefined || message.receiveCount < policy.maxReceiveCount) return false;
    const target = this.#environment.findByArn(policy.deadLetterTargetArn);
    if (target === undefined || target === this) return false;
    message.state = 'gone';
    this.#messages.delete(message.messageId);
    target.#acceptDeadLetter(asDeadLetter(message, this.arn));
    return true;
  }

  #acceptDeadLetter(message: QueuedMessage): void {
    this.#messages.set(message.messageId, message);
    this.#show(message);
    this.#wakeSoon();
  }

  #show(message: QueuedMessage): void {
    message.state = 'visible';
    this.#counts.visible += 1;
    this.#backlog.push(message);
  }

  #hide(message: QueuedMessage, state: 'inFlight' | 'delayed', dueAt: number): void {
    message.state = state;
    message.dueAt = dueAt;
    this.#counts[state] += 1;
    this.#hidden.add(message);
    this.#arm();
  }

  #unhide(message: QueuedMessage): void {
    if (message.state !== 'inFlight' && message.state !== 'delayed') return;
    this.#counts[message.state] -= 1;
    this.#hidden.remove(message);
  }

  #discard(message: QueuedMessage): void {
    this.#unhide(message);
    if (message.state === 'visible') this.#counts.visible -= 1;
    message.state = 'gone';
    this.#messages.delete(message.messageId);
  }

  /** Brings the queue up to this moment: expired messages leave, hidden ones that are due become visible. */
  #settle(): void {
    const now = this.#environment.now();
    const oldestKept = now - this.attributes.number('MessageRetentionPeriod') * 1000;
    for (const message of this.#messages.values()) {
      if (message.sentAt > oldestKept) break;
      this.#discard(message);
    }
    for (let due = this.#hidden.peek(); due !== undefined && due.dueAt <= now; due = this.#hidden.peek()) {
      this.#unhide(due);
      this.#show(due);
    }
    this.#wakeWaiters();
    this.#arm();
  }

  /** After the present call is through, so that a batch of ten wakes one waiter with ten. */
  #wakeSoon(): void {
    if (this.#waiters.size > 0) queueMicrotask(() => this.#wakeWaiters());
  }

  #wakeWaiters(): void {
    for (const waiter of this.#waiters) {
      if (this.#counts.visible === 0) return;
      const messages = this.#take(waiter.request);
      if (messages.length > 0) waiter.settle(messages);
    }
  }

  /** One timer, at the head of the heap. A timer that fires for nothing (its message was deleted) costs nothing. */
  #arm(): void {
    const dueAt = this.#hidden.peek()?.dueAt ?? Number.POSITIVE_INFINITY;
    if (dueAt >= this.#timerDueAt) return;
    clearTimeout(this.#timer);
    this.#timerDueAt = dueAt;
    this.#timer = setTimeout(
      () => {
        this.#timerDueAt = Number.POSITIVE_INFINITY;
        this.#settle();
      },
      Math.max(1, dueAt - this.#environment.now()),
    );
    this.#timer.unref();
  }
}

function notInFlight(receiptHandle: string): AwsError {
  const reason = 'Message does not exist or is not available for visibility timeout change.';
  return new AwsError(
    'InvalidParameterValue',
    `Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: ${reason}`,
  );
}

function leaseTooLong(seconds: number): AwsError {
  const reason = `Total VisibilityTimeout for the message is beyond the limit [${longestLeaseSeconds} seconds].`;
  return new AwsError(
    'InvalidParameterValue',
    `Value ${seconds} for parameter VisibilityTimeout is invalid. Reason: ${reason}`,
  );
}
