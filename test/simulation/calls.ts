/**
 * A port as one actor sees it. Each call is a request, its effect, and an answer; the effect happens in one instant, and
 * anything else may happen before, between and after. What goes wrong is drawn from the run's faults.
 */
import type { Faults } from './faults.ts';
import type { Actor, Scheduler } from './scheduler.ts';
import { READS, type Trace } from './trace.ts';

export interface CallTools {
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly trace: Trace;
  /** Told after every call that may have changed something. */
  readonly onChange: (service: string) => void;
}

/** The port, with every call of its methods made by that actor. Its methods return promises, as those of all ports do. */
export function wired<Port extends object>(port: Port, service: string, actor: Actor, tools: CallTools): Port {
  const methods = new Map<string | symbol, unknown>();
  return new Proxy(port, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function' || typeof name === 'symbol') return member;
      const known = methods.get(name);
      if (known) return known;
      const method = (...args: unknown[]): Promise<unknown> =>
        call(() => Reflect.apply(member, target, args), `${service}.${name}`, args, service, actor, tools);
      methods.set(name, method);
      return method;
    },
  });
}

function call(
  effect: () => Promise<unknown>,
  what: string,
  args: readonly unknown[],
  service: string,
  actor: Actor,
  { scheduler, faults, trace, onChange }: CallTools,
): Promise<unknown> {
  const isRead = READS.test(what);
  const fault = faults.ofCall(actor, service);
  if (fault !== 'none') trace.add(actor.name, `${what}: ${fault}`);
  return new Promise((resolve, reject) => {
    const answer = (deliver: () => void): void => {
      if (!actor.alive) return;
      if (actor.resumesAt > scheduler.nowMs || faults.happens('slow')) {
        scheduler.after(faults.over ? 1 : faults.lateAnswerMs(), actor, deliver);
      } else deliver();
    };
    const request = (): void => {
      if (fault === 'crash-before') actor.kill(`before ${what}`);
      if (fault === 'crash-before') return;
      if (fault === 'refused') {
        reject(faults.error(what));
        return;
      }
      effect().then(
        (value) => {
          trace.add(actor.name, what, args);
          if (!isRead) onChange(service);
          if (fault === 'crash-after') actor.kill(`after ${what}`);
          else answer(() => (fault === 'lost' ? reject(faults.error(what)) : resolve(value)));
        },
        (error: unknown) => answer(() => reject(error)),
      );
    };
    // What is on its way arrives, whatever becomes of its sender.
    scheduler.after(faults.requestMs(), fault === 'none' ? null : actor, request);
  });
}

/** A port with some of its methods replaced; the others go on working on the port itself. */
export function altered<Port extends object>(port: Port, methods: Partial<Port>): Port {
  return new Proxy(port, {
    get: (target, name) => Reflect.get(name in methods ? methods : target, name),
  });
}
