/**
 * How long a lease must be: setup, if the commit is not prepared on this machine yet, the task's timeout, and a grace.
 * The queue's visibility timeout is the lease, and nothing renews it: too short, and the task runs twice.
 */
import type { TaskMessage } from '../../core/messages.ts';
import type { WorkSettings } from './config.ts';

/** SQS keeps a message invisible for at most 12 h from its receipt (ChangeMessageVisibility). */
const MAX_LEASE_SECONDS = 12 * 3600;
/** Before any task is known: what a job that sets no timeout has. */
const DEFAULT_TIMEOUT_SECONDS = 300;

type Allowances = Pick<WorkSettings, 'setupSeconds' | 'leaseGraceSeconds'>;
type Timed = Pick<TaskMessage, 'code' | 'timeoutSeconds'>;

/** Whole seconds from receipt to the end of the lease. */
export function neededLeaseSeconds(timeoutSeconds: number, prepared: boolean, allowances: Allowances): number {
  const needed = (prepared ? 0 : allowances.setupSeconds) + timeoutSeconds + allowances.leaseGraceSeconds;
  return Math.min(MAX_LEASE_SECONDS, Math.max(1, Math.ceil(needed)));
}

/** Guesses the next task's lease from the last one's, so that the receive call mostly asks for the right one. */
export class LeaseForecast {
  readonly #allowances: Allowances;
  readonly #isReady: (code: TaskMessage['code']) => boolean;
  #last: Timed | undefined;

  constructor(allowances: Allowances, isReady: (code: TaskMessage['code']) => boolean) {
    this.#allowances = allowances;
    this.#isReady = isReady;
  }

  /** What to ask for in the next receive call. */
  expected(): number {
    if (!this.#last) return neededLeaseSeconds(DEFAULT_TIMEOUT_SECONDS, false, this.#allowances);
    return this.needed(this.#last);
  }

  /** What this task needs, now. */
  needed(task: Timed): number {
    return neededLeaseSeconds(task.timeoutSeconds, this.#isReady(task.code), this.#allowances);
  }

  observe(task: Timed): void {
    this.#last = task;
  }
}
