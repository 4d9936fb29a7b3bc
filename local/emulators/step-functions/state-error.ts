import { StateMachine } from 'aws-local-stepfunctions';

/**
 * A failed state: `name` is what Retry and Catch match (ASL's `Error`), the message is ASL's `Cause`. The interpreter
 * asks an error whether it may be retried or caught, and takes yes for an answer when it has no opinion.
 */
export class StateError extends Error {
  constructor(error: string, cause: string) {
    super(cause);
    this.name = error;
  }
}

/** A fault of the definition or its data, which ASL lets nobody retry or catch. */
export class StatesRuntimeError extends StateError {
  readonly isRetryable = false;
  readonly isCatchable = false;

  constructor(cause: string) {
    super('States.Runtime', cause);
  }
}

/**
 * ASL's `States.TaskFailed` stands for every error but a timeout, and the interpreter tells a timeout by its class, which
 * it does not export: one run that times out hands it over.
 */
const timeoutPrototype: object = await new Promise((resolve, reject) => {
  const definition = {
    StartAt: 'Wait',
    States: { Wait: { Type: 'Task', Resource: 'arn:aws:states:::lambda:invoke', TimeoutSeconds: 0.001, End: true } },
  } as const;
  const never = new Promise<never>(() => undefined);
  new StateMachine(definition, { validationOptions: { noValidate: true } })
    .run({}, { overrides: { taskResourceLocalHandlers: { Wait: () => never } } })
    .result.catch((error: Error) => resolve(Object.getPrototypeOf(error.cause)))
    .then(() => reject(new Error('The interpreter no longer times tasks out')), reject);
});

/** `States.Timeout`: a task took longer than its timeout, or was silent for longer than its heartbeat. */
export function timeoutError(cause: string): Error {
  const error = new StateError('States.Timeout', cause);
  return Object.setPrototypeOf(error, timeoutPrototype);
}
