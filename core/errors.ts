/**
 * The errors of this code base: one base class, a few named leaves, each with plain readonly context and its `cause`.
 * What is expected (no capacity, already claimed, duplicate) is a discriminated union, not a throw.
 */

export type ErrorContext = Readonly<Record<string, unknown>>;

export abstract class ShoalError extends Error {
  readonly context: ErrorContext;

  constructor(message: string, options: { cause?: unknown; context?: ErrorContext } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = new.target.name;
    this.context = options.context ?? {};
  }
}

/** One thing wrong with a document, and where: `path` in the form `tasks[3].key`. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** The caller's document is wrong. Carries every fault found, never only the first. */
export class ValidationError extends ShoalError {
  readonly faults: readonly Fault[];

  constructor(message: string, faults: readonly Fault[], options: { cause?: unknown; context?: ErrorContext } = {}) {
    super(message, options);
    this.faults = faults;
  }
}

/** What was named does not exist. */
export class NotFoundError extends ShoalError {}

/** The request contradicts the present state, and repeating it will not help. */
export class ConflictError extends ShoalError {}

/** Another try may succeed: throttling, a network fault, a partial batch failure. */
export class TransientError extends ShoalError {}

/** No retry can help: a corrupt document, a missing permission, a broken invariant. */
export class PermanentError extends ShoalError {}
