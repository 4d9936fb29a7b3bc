/**
 * What happened, on its way to the status channel. Events are gathered and published in order; only when the channel
 * has them are the task messages that they speak of acknowledged. Nothing is ever acknowledged unpublished: a message
 * whose report never got out comes back when its lease ends.
 */
import type { StatusEvent } from '../../core/messages.ts';
import type { StatusChannel, TaskQueue } from '../../core/ports.ts';
import type { AgentClock } from './clock.ts';
import { type Log, messageOf } from './log.ts';
import { backoffMs, mayPass, retry } from './retry.ts';
import { sleep } from './sleep.ts';

const FLUSH_EVENTS = 50;
/** So long a report waits for others to share its request. */
const FLUSH_MS = 200;
/** And so long where reports come fast: fewer and fuller requests, of reports and of acknowledgements. */
const BUSY_FLUSH_MS = 600;
/** So many in a batch, or more, and the next one gathers for longer. */
const BUSY_EVENTS = 5;
/** With so many reports unpublished no more work is taken: the channel is slower than the work. */
const FULL_EVENTS = 500;
/** An acknowledgement that fails for so long is left: the message comes again, and its report is stale. */
const ACKNOWLEDGE_MS = 5_000;
/** One refused report is a broken report, several in a row are a broken channel. */
const MAX_REFUSALS = 3;

export interface Report {
  readonly event: StatusEvent;
  /** Whose message is done with, once the event is published. */
  readonly settles?: { readonly queue: TaskQueue; readonly receiptHandle: string };
  /** After it (the end of the lease) the report is somebody else's. */
  readonly until?: Date;
  /** Do not wait for others to share the request. */
  readonly urgent?: boolean;
}

interface Entry extends Report {
  readonly done: (published: boolean) => void;
}

export interface OutboxTools {
  readonly status: StatusChannel;
  readonly clock: AgentClock;
  readonly random: () => number;
  readonly log: Log;
  /** The channel refuses one report after the other: whatever this machine does, nobody will hear of it. */
  readonly onRefused: () => void;
}

export class OutcomeOutbox {
  readonly #tools: OutboxTools;
  readonly #closing = new AbortController();
  #entries: Entry[] = [];
  #hurry = new AbortController();
  #isClosing = false;
  #pumping: Promise<void> | undefined;
  #failing = false;
  #refusedInARow = 0;
  /** How many events the last batch had. */
  #lastPublished = 0;

  constructor(tools: OutboxTools) {
    this.#tools = tools;
  }

  /** Whether the channel cannot be reached right now: a reason to take no more work. */
  get failing(): boolean {
    return this.#failing;
  }

  get isFull(): boolean {
    return this.#entries.length >= FULL_EVENTS;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Puts a report on its way. Resolves when it is published (`true`) or given up (`false`). */
  put(report: Report): Promise<boolean> {
    return new Promise((done) => {
      this.#entries.push({ ...report, done });
      if (this.#isPressing) this.#hurry.abort();
      this.#pumping ??= this.#pump().finally(() => {
        this.#pumping = undefined;
      });
    });
  }

  /** Publishes what is there, trying again for at most so long. What is left then stays unacknowledged. */
  async close(milliseconds: number): Promise<void> {
    this.#isClosing = true;
    this.#hurry.abort();
    const cancelLimit = this.#tools.clock.after(milliseconds, () => this.#closing.abort());
    while (this.#pumping !== undefined) await this.#pumping;
    cancelLimit();
  }

  /** Whether the reports that wait should wait no longer. */
  get #isPressing(): boolean {
    if (this.#isClosing || this.#refusedInARow > 0 || this.#entries.length >= FLUSH_EVENTS) return true;
    return this.#entries.some((entry) => entry.urgent);
  }

  async #pump(): Promise<void> {
    const { clock, random } = this.#tools;
    let tries = 0;
    while (this.#entries.length > 0) {
      if (tries === 0 && !this.#isPressing) {
        this.#hurry = new AbortController();
        await sleep(clock, this.#lastPublished >= BUSY_EVENTS ? BUSY_FLUSH_MS : FLUSH_MS, this.#hurry.signal);
      }
      this.#dropLapsed();
      // After a refusal one by one: whichever report it was must not take the others with it.
      const batch = this.#entries.slice(0, this.#refusedInARow > 0 ? 1 : FLUSH_EVENTS);
      if (batch.length === 0) continue;
      const outcome = await this.#publish(batch);
      this.#failing = outcome === 'again';
      tries = this.#failing ? tries + 1 : 0;
      if (outcome === 'published') await this.#settle(batch);
      else if (outcome === 'refused') this.#refuse(batch);
      else if (this.#closing.signal.aborted) this.#giveUp(this.#entries, 'the machine ends');
      else await sleep(clock, backoffMs(tries, random()), this.#closing.signal);
    }
  }

  async #publish(batch: readonly Entry[]): Promise<'published' | 'again' | 'refused'> {
    const { status, log } = this.#tools;
    try {
      await status.publish(batch.map((entry) => entry.event));
      return 'published';
    } catch (error) {
      const again = mayPass(error);
      log.warn('events could not be published', { events: batch.length, again, error: messageOf(error) });
      return again ? 'again' : 'refused';
    }
  }

  async #settle(batch: readonly Entry[]): Promise<void> {
    this.#refusedInARow = 0;
    this.#lastPublished = batch.length;
    this.#entries = this.#entries.slice(batch.length);
    await this.#acknowledge(batch);
    for (const entry of batch) entry.done(true);
  }

  #refuse(batch: readonly Entry[]): void {
    this.#refusedInARow += 1;
    if (batch.length === 1) this.#giveUp(batch, 'the channel refuses it');
    if (this.#refusedInARow >= MAX_REFUSALS) this.#tools.onRefused();
  }

  #dropLapsed(): void {
    const now = this.#tools.clock.now();
    const lapsed = this.#entries.filter((entry) => entry.until && entry.until <= now);
    if (lapsed.length > 0) this.#giveUp(lapsed, 'the lease is over');
  }

  #giveUp(entries: readonly Entry[], reason: string): void {
    const given = new Set(entries);
    this.#entries = this.#entries.filter((entry) => !given.has(entry));
    this.#tools.log.error('events were given up unpublished', { events: entries.length, reason });
    for (const entry of entries) entry.done(false);
  }

  async #acknowledge(batch: readonly Entry[]): Promise<void> {
    const { clock, random, log } = this.#tools;
    const settled = batch.flatMap((entry) => entry.settles ?? []);
    const until = new Date(clock.now().getTime() + ACKNOWLEDGE_MS);
    for (const [queue, leases] of Map.groupBy(settled, (each) => each.queue)) {
      await retry(() => queue.acknowledge(leases), { clock, random, until }).catch((error: unknown) =>
        log.warn('task messages could not be acknowledged', { messages: leases.length, error: messageOf(error) }),
      );
    }
  }
}
