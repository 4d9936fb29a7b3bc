/** Faults between a service's protocol and its handler: the one place where a call may be spoilt. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultedService, FaultKind } from './fault-rule.ts';
import type { Fault, Faults } from './faults.ts';

/** What is known of any service's call. */
export interface FaultableCall {
  readonly operation: string;
  /** The caller asked to be spared: it is the operator, or a test that looks at what became of things. */
  readonly isSpared: boolean;
}

export type Handler<Call, Answer> = (call: Call) => Promise<Answer> | Answer;

/** How a service shows one kind of fault. */
export interface Injection<Call, Answer> {
  /** Whether the call can meet it. */
  applies(call: Call): boolean;
  inject(call: Call, next: Handler<Call, Answer>, fault: Fault): Promise<Answer> | Answer;
  /** Told every answer of a call that could have met it, as long as there is a rule of this kind. */
  observe?(call: Call, answer: Answer): void;
}

/** Of what every call can meet. */
export const always = (): boolean => true;

/** An answer that is an error, given instead of doing anything. */
export function refusal<Call, Answer>(
  error: (call: Call, fault: Fault) => Error,
  applies: (call: Call) => boolean = always,
): Injection<Call, Answer> {
  const inject: Injection<Call, Answer>['inject'] = (call, _next, fault) => {
    throw error(call, fault);
  };
  return { applies, inject };
}

export type Injections<Call, Answer> = Readonly<Partial<Record<FaultKind, Injection<Call, Answer>>>>;

/** The effect has happened, and nobody is to hear of it: the connection ends. */
export class ResponseLost extends Error {
  constructor() {
    super('the response is lost');
    this.name = 'ResponseLost';
  }
}

export const SPARED_HEADER = 'x-shoal-faults';
/** @param header the value of {@link SPARED_HEADER} */
export const isSparedBy = (header: string | string[] | undefined): boolean => header === 'off';

export function withFaults<Call extends FaultableCall, Answer>(
  service: FaultedService,
  faults: Faults,
  injections: Injections<Call, Answer>,
  handle: Handler<Call, Answer>,
): (call: Call) => Promise<Answer> {
  const observed = async (call: Call): Promise<Answer> => {
    const answer = await handle(call);
    // The type of the keys, which `Object.entries` forgets.
    for (const [kind, injection] of Object.entries(injections) as [FaultKind, Injection<Call, Answer>][]) {
      if (injection.observe && faults.has(service, kind) && injection.applies(call)) injection.observe(call, answer);
    }
    return answer;
  };
  return async (call) => {
    if (call.isSpared) return handle(call);
    const applies = (kind: FaultKind): boolean => kind === 'delay' || (injections[kind]?.applies(call) ?? false);
    const { delayMs, fault } = faults.draw(service, call.operation, applies);
    if (delayMs > 0) await sleep(delayMs);
    const injection = fault && injections[fault.kind];
    return injection ? injection.inject(call, observed, fault) : observed(call);
  };
}
