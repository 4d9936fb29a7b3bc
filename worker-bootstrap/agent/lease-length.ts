/**
 * How long a lease must be: setup, if the commit is not prepared on this machine yet, the task's timeout, and a grace.
 * The queue's visibility timeout is the lease, and nothing renews it: too short, and the task runs twice.
 */
import type { TaskMessage } from '../../core/messages.ts';
import { RESTORE_SECONDS } from './checkpoint.ts';
import type { WorkSettings } from './config.ts';

/**
 * SQS keeps a message invisible for at most 12 h from its receipt (ChangeMessageVisibility), and refuses to make that
 * longer by a second: what passes between receipt and change is taken off.
 */
const MAX_LEASE_SECONDS = 12 * 3600 - 120;
/** Before any task is known: what a job that sets no timeout has. */
const DEFAULT_TIMEOUT_SECONDS = 300;

/** A lease that may wait here is longer by as much as it may wait: a quarter of the whole. */
const WAITING_FACTOR = 4 / 3;

/** How long a lease must be whose task may wait for its turn; `null` if no lease can be that long. */
export function waitingLeaseSeconds(neededSeconds: number): number | null {
  const seconds = Math.ceil(neededSeconds * WAITING_FACTOR);
  return seconds <= MAX_LEASE_SECONDS ? seconds : null;
}

type Allowances = Pick<WorkSettings, 'setupSeconds' | 'leaseGraceSeconds'>;
type Timed = Pick<TaskMessage, 'code' | 'timeoutSeconds' | 'checkpointRef'>;
type Observed = Pick<TaskMessage, 'code' | 'timeoutSeconds' | 'jobId'>;

/**
 * Whole seconds from receipt to the end of the lease.
 * @param preparationSeconds what is to be done before the task can start: checkout, setup, a checkpoint to be read
 */
export function neededLeaseSeconds(
  timeoutSeconds: number,
  preparationSeconds: number,
  allowances: Pick<Allowances, 'leaseGraceSeconds'>,
): number {
  const needed = preparationSeconds + timeoutSeconds + allowances.leaseGraceSeconds;
  return Math.min(MAX_LEASE_SECONDS, Math.max(1, Math.ceil(needed)));
}

/** What checkout and setup may take together. */
const preparationSeconds = (
  { setup, setupTimeoutSeconds }: TaskMessage['code'],
  { setupSeconds }: Allowances,
): number => setupSeconds + (setup === null ? 0 : setupTimeoutSeconds);

/** Guesses the next task's lease from the last one's, so that the receive call mostly asks for the right one. */
export class LeaseForecast {
  readonly #allowances: Allowances;
  readonly #isReady: (code: TaskMessage['code']) => boolean;
  #last: Observed | undefined;

  constructor(allowances: Allowances, isReady: (code: TaskMessage['code']) => boolean) {
    this.#allowances = allowances;
    this.#isReady = isReady;
  }

  /** What to ask for in the next receive call. */
  expected(): number {
    if (!this.#last)
      return neededLeaseSeconds(DEFAULT_TIMEOUT_SECONDS, this.#allowances.setupSeconds, this.#allowances);
    return this.needed(this.#last);
  }

  /** What this task needs, now. */
  needed(task: Timed): number {
    const preparation = this.#isReady(task.code) ? 0 : preparationSeconds(task.code, this.#allowances);
    const restoring = task.checkpointRef === undefined ? 0 : RESTORE_SECONDS;
    return neededLeaseSeconds(task.timeoutSeconds, preparation + restoring, this.#allowances);
  }

  /** The job of the last task: the next one is most likely of the same. */
  get lastJobId(): string | null {
    return this.#last?.jobId ?? null;
  }

  observe({ code, timeoutSeconds, jobId }: Observed): void {
    this.#last = { code, timeoutSeconds, jobId };
  }
}
