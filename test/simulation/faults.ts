/**
 * What may go wrong, and how often: drawn anew for every seed. Each seed has only some of the faults, some of them often:
 * a run in which everything fails a little seldom gets far enough to fail in an interesting way ("swarm testing").
 */
import { TransientError } from '../../core/errors.ts';
import type { Random } from './random.ts';
import type { Actor } from './scheduler.ts';

/** Probabilities a call, a message or a machine, in [0, 1). */
const KINDS = {
  /** The call fails and did nothing. */
  refused: 0.2,
  /** The call had its effect, its answer is lost. */
  lost: 0.1,
  /** The function dies, before or after the call had its effect. */
  lambdaCrash: 0.08,
  /** The agent, or its machine with all that is on it, dies around a call. */
  agentCrash: 0.01,
  /** The call, or its answer, takes seconds to minutes. */
  slow: 0.1,
  /** A batch gets through in part. */
  partial: 0.3,
  /** An invocation happens twice. */
  twice: 0.3,
  /** A message is delivered although somebody holds it. */
  delivered: 0.1,
  /** A message is lost for good by its queue. */
  dropped: 0.05,
  /** A receive misses messages that are there. */
  missed: 0.3,
  /** A lease ends long before its time. */
  lapsed: 0.05,
  /** An eventually consistent read is as of an earlier one. */
  stale: 0.5,
  /** A machine is taken back, with two minutes' notice. */
  interrupted: 0.5,
  /** A machine is gone from one moment to the next. */
  vanished: 0.3,
  /** A machine stands still for a while and does not notice. */
  frozen: 0.3,
  /** A launch brings fewer machines than asked for. */
  noCapacity: 0.5,
  /** A machine never gets as far as to start its agent. */
  neverReady: 0.3,
  /** What a machine fetches before it can work is not to be had. */
  unprepared: 0.2,
  /** A wake-up of the scaler is lost. */
  unheard: 0.5,
} as const;
export type FaultKind = keyof typeof KINDS;

export interface Outage {
  readonly service: string;
  readonly from: number;
  readonly until: number;
  readonly rate: number;
}

export const SERVICES = ['jobs', 'tasks', 'fleets', 'taskQueue', 'status', 'blobs', 'control', 'machine', 'provider'];

/** What befalls one call. */
export type CallFault = 'none' | 'refused' | 'lost' | 'crash-before' | 'crash-after';

export class Faults {
  readonly #random: Random;
  readonly #now: () => number;
  readonly #rates: Readonly<Record<FaultKind, number>>;
  readonly outages: readonly Outage[];
  readonly #failures: Outage[] = [];
  /** From then on everything works. */
  readonly endAt: number;

  constructor(random: Random, now: () => number) {
    this.#random = random;
    this.#now = now;
    const isQuiet = random.chance(0.05);
    const kinds = Object.entries(KINDS) as [FaultKind, number][]; // the keys of that very object
    const rates = kinds.map(([kind, most]) => {
      const rate = random.magnitude(most / 30, most);
      return [kind, isQuiet || random.chance(0.5) ? 0 : rate] as const;
    });
    // Safe: one entry a kind.
    this.#rates = Object.fromEntries(rates) as Record<FaultKind, number>;
    this.endAt = now() + random.int(5, 40) * 60_000;
    this.outages = isQuiet ? [] : Array.from({ length: random.int(0, 2) }, () => this.#outage());
  }

  /** These services are gone from then on, until the faults end. */
  fail(services: readonly string[], from: number): void {
    for (const service of services) this.#failures.push({ service, from, until: this.endAt, rate: 1 });
  }

  get over(): boolean {
    return this.#now() >= this.endAt;
  }

  /** Whether it happens, here and now. */
  happens(kind: FaultKind): boolean {
    return this.#rates[kind] > 0 && !this.over && this.#random.chance(this.#rates[kind]);
  }

  rate(kind: FaultKind): number {
    return this.over ? 0 : this.#rates[kind];
  }

  /** What befalls a call of this actor to that service. */
  ofCall(actor: Actor, service: string): CallFault {
    if (this.over) return 'none';
    if (this.#isOut(service) || this.happens('refused')) return 'refused';
    if (this.happens('lost')) return 'lost';
    if (actor.kind !== 'client' && this.happens(actor.kind === 'lambda' ? 'lambdaCrash' : 'agentCrash')) {
      return this.#random.chance(0.5) ? 'crash-before' : 'crash-after';
    }
    return 'none';
  }

  /** A request arrives within its client's patience, or never (adapters/aws/client-settings.ts). */
  requestMs(): number {
    return this.happens('slow') ? Math.round(this.#random.magnitude(1_000, 20_000)) : this.#random.int(1, 40);
  }

  /** An answer may come when nobody waits for it any more. */
  lateAnswerMs(): number {
    return Math.round(this.#random.magnitude(1_000, 120_000));
  }

  /** What the caller gets to see: our own errors, or whatever a client throws. */
  error(what: string): Error {
    return this.#random.chance(0.7) ? new TransientError(`no answer: ${what}`) : new Error(`socket hang up: ${what}`);
  }

  #isOut(service: string): boolean {
    const now = this.#now();
    const isOut = (each: Outage): boolean => each.service === service && each.from <= now && now < each.until;
    return this.#failures.some(isOut) || this.outages.some((each) => isOut(each) && this.#random.chance(each.rate));
  }

  #outage(): Outage {
    const random = this.#random;
    const from = this.#now() + random.int(0, 15 * 60_000);
    const until = Math.min(this.endAt, from + Math.round(random.magnitude(5_000, 15 * 60_000)));
    return { service: random.pick(SERVICES), from, until, rate: random.pick([0.5, 0.9, 1]) };
  }
}
