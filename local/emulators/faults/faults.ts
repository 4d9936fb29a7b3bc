/**
 * The faults of one emulator process: a list of rules, shared by its services, and how often each has struck. Every rule
 * draws from a generator of its own, so that one rule's calls do not shift another's.
 */
import { type FaultedService, type FaultKind, type FaultRule, faultRulesSchema } from './fault-rule.ts';

/** A fault that a call is to meet. */
export interface Fault {
  readonly kind: Exclude<FaultKind, 'delay'>;
  /** From 1: where AWS has several ways to say a thing, faults take turns by it. */
  readonly nth: number;
  readonly delayMs: number | undefined;
  /** From 0 to 1, by the rule's seed. */
  readonly random: () => number;
  /** There was nothing to spoil: the fault does not count as injected. */
  readonly giveBack: () => void;
}

export interface Drawn {
  readonly delayMs: number;
  readonly fault: Fault | undefined;
}

export type ReportedRule = FaultRule & { readonly seed: number; readonly injected: number };

interface ActiveRule {
  readonly rule: FaultRule;
  readonly seed: number;
  readonly random: () => number;
  injected: number;
}

export class Faults {
  #rules: readonly ActiveRule[] = [];

  /** Replaces all rules, and counts from zero. @throws {z.ZodError} */
  set(rules: readonly FaultRule[]): void {
    this.#rules = faultRulesSchema.parse(rules).map(({ seed = Math.floor(Math.random() * 2 ** 31), ...rule }) => ({
      // The same rule, without members that say nothing.
      rule: Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined)) as FaultRule,
      seed,
      random: seededRandom(seed),
      injected: 0,
    }));
  }

  clear(): void {
    this.#rules = [];
  }

  report(): ReportedRule[] {
    return this.#rules.map(({ rule, seed, injected }) => ({ ...rule, seed, injected }));
  }

  has(service: FaultedService, kind: FaultKind): boolean {
    return this.#rules.some(({ rule }) => rule.service === service && rule.kind === kind);
  }

  /**
   * What one call is to meet: the delays of all rules that strike, and the first other fault.
   * @param applies whether the call can meet a fault of that kind at all
   */
  draw(service: FaultedService, operation: string, applies: (kind: FaultKind) => boolean): Drawn {
    let delayMs = 0;
    for (const active of this.#rules) {
      const { rule, random } = active;
      const isMeant = rule.service === service && (rule.operation ?? operation) === operation && applies(rule.kind);
      if (!isMeant || active.injected >= (rule.times ?? Number.POSITIVE_INFINITY)) continue;
      if (random() >= (rule.probability ?? 1)) continue;
      active.injected += 1;
      if (rule.kind !== 'stale') delayMs += rule.delayMs ?? 0;
      if (rule.kind === 'delay') continue;
      const giveBack = (): void => {
        active.injected -= 1;
      };
      return { delayMs, fault: { kind: rule.kind, nth: active.injected, delayMs: rule.delayMs, random, giveBack } };
    }
    return { delayMs, fault: undefined };
  }
}

/** The generator "mulberry32": small, and good enough to choose calls by. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
