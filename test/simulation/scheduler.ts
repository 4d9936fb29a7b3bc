/**
 * Virtual time. Whatever happens is an entry of this schedule; between two entries nothing moves, and time jumps from one
 * to the next. An entry may belong to an actor: those of a dead one never happen, those of a frozen one happen when it
 * thaws.
 */
import type { Clock } from '../../core/ports.ts';

/** A process: the run of a Lambda, an agent, a client. */
export class Actor {
  readonly name: string;
  readonly kind: 'lambda' | 'agent' | 'client';
  alive = true;
  /** Until then it is frozen: it does nothing, and does not notice. */
  resumesAt = 0;
  readonly #onDeath: (why: string) => void;

  constructor(kind: Actor['kind'], name: string, onDeath: (why: string) => void = () => undefined) {
    this.kind = kind;
    this.name = name;
    this.#onDeath = onDeath;
  }

  /** Its pending calls never return, its timers never fire: kill -9. */
  kill(why: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.#onDeath(why);
  }

  /** It came to its end by itself. */
  retire(): void {
    this.alive = false;
  }
}

interface Entry {
  at: number;
  order: number;
  readonly actor: Actor | null;
  readonly run: () => void;
  isCancelled: boolean;
}

export class Scheduler implements Clock {
  #now: number;
  #order = 0;
  readonly #heap: Entry[] = [];
  steps = 0;

  constructor(start: string) {
    this.#now = Date.parse(start);
  }

  now(): Date {
    return new Date(this.#now);
  }

  get nowMs(): number {
    return this.#now;
  }

  /** Lets something happen after so long; what it returns takes that back. */
  after(milliseconds: number, actor: Actor | null, run: () => void): () => void {
    const at = this.#now + Math.max(0, Math.round(milliseconds));
    this.#order += 1;
    const entry: Entry = { at, order: this.#order, actor, run, isCancelled: false };
    this.#push(entry);
    return () => {
      entry.isCancelled = true;
    };
  }

  sleep(milliseconds: number, actor: Actor | null = null): Promise<void> {
    return new Promise((resolve) => this.after(milliseconds, actor, resolve));
  }

  /** Runs the next entry and all that follows from it at once; `false` when there is none before `until`. */
  async step(until: number): Promise<boolean> {
    for (let entry = this.#pop(); entry; entry = this.#pop()) {
      if (entry.isCancelled || entry.actor?.alive === false) continue;
      if (entry.at > until) return false;
      this.#now = Math.max(this.#now, entry.at);
      const { actor } = entry;
      if (actor && actor.resumesAt > this.#now) {
        this.#order += 1;
        entry.at = actor.resumesAt;
        entry.order = this.#order;
        this.#push(entry);
        continue;
      }
      this.steps += 1;
      entry.run();
      // Promises settle before the event loop comes round again: nothing is under way between two steps.
      await new Promise(setImmediate);
      return true;
    }
    return false;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let place = heap.push(entry) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = heap[parent];
      if (!above || !isBefore(entry, above)) break;
      heap[place] = above;
      place = parent;
    }
    heap[place] = entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let place = 0;
    for (;;) {
      const [left, right] = [heap[2 * place + 1], heap[2 * place + 2]];
      const child = right && left && isBefore(right, left) ? right : left;
      if (!child || !isBefore(child, last)) break;
      heap[place] = child;
      place = 2 * place + (child === left ? 1 : 2);
    }
    heap[place] = last;
    return first;
  }
}

const isBefore = (one: Entry, other: Entry): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);
