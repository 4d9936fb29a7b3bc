/** A Task state: which function it calls, with which payload, and how long it may take. */
import { z } from 'zod';
import type { State } from './definition.ts';
import type { JsonValue } from './json-value.ts';
import { startLongTimer } from './long-timer.ts';
import type { Scope } from './scope.ts';
import { StatesRuntimeError, timeoutError } from './state-error.ts';

/** A state's members after evaluation: what it works on, and the values of those that were paths. */
export const evaluatedSchema = z.object({
  input: z.json(),
  items: z.json().optional(),
  timeoutSeconds: z.number().nonnegative().optional(),
  heartbeatSeconds: z.number().nonnegative().optional(),
  seconds: z.number().optional(),
  timestamp: z.string().optional(),
  maxConcurrency: z.number().int().nonnegative().optional(),
});

export type Evaluated = z.output<typeof evaluatedSchema>;

type TaskKind = 'function' | 'invoke' | 'waitForTaskToken';

/** How a resource is called; `undefined` for one that is not emulated. */
export function kindOfResource(resource: string | undefined): TaskKind | undefined {
  if (/^arn:[\w-]+:lambda:/.test(resource ?? '')) return 'function';
  if (/^arn:[\w-]+:states:::lambda:invoke$/.test(resource ?? '')) return 'invoke';
  if (/^arn:[\w-]+:states:::lambda:invoke\.waitForTaskToken$/.test(resource ?? '')) return 'waitForTaskToken';
  return undefined;
}

/** Carries out a Task state. @throws {Error} named as ASL's errors are */
export async function runTask(state: State, values: Evaluated, scope: Scope): Promise<JsonValue> {
  const ended = new AbortController();
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  scope.signal.throwIfAborted();
  scope.signal.addEventListener('abort', () => fail(scope.signal.reason), { signal: ended.signal });
  const timeout = values.timeoutSeconds ?? state.TimeoutSeconds;
  if (timeout !== undefined) {
    const onDue = () => fail(timeoutError(`The task took longer than ${timeout} s`));
    ended.signal.addEventListener('abort', startLongTimer(timeout * 1000, onDue));
  }
  try {
    return await Promise.race([carryOut({ state, values, scope, ended: ended.signal, fail }), failed]);
  } finally {
    ended.abort();
  }
}

interface TaskCall {
  readonly state: State;
  readonly values: Evaluated;
  readonly scope: Scope;
  /** Aborted once the task has ended, however it did. */
  readonly ended: AbortSignal;
  /** Ends the task from outside. */
  readonly fail: (error: Error) => void;
}

async function carryOut(call: TaskCall): Promise<JsonValue> {
  const { state, values, scope } = call;
  switch (kindOfResource(state.Resource)) {
    case 'function': {
      const functionName = state.Resource ?? '';
      const result = await scope.lambda.invoke(functionName, values.input);
      return result.payload;
    }
    case 'invoke': {
      const { statusCode, executedVersion, payload } = await invoke(values.input, scope);
      return { StatusCode: statusCode, ExecutedVersion: executedVersion, Payload: payload };
    }
    case 'waitForTaskToken':
      return waitForToken(call);
    case undefined:
      throw new StatesRuntimeError(`Not emulated: ${state.Resource}`);
  }
}

const invokeSchema = z.object({ FunctionName: z.string(), Payload: z.json().default({}) });

function invoke(parameters: JsonValue, scope: Scope) {
  const parsed = invokeSchema.safeParse(parameters);
  if (!parsed.success) throw new StatesRuntimeError('The parameters of a Lambda task need a FunctionName');
  return scope.lambda.invoke(parsed.data.FunctionName, parsed.data.Payload);
}

/** The function is told the token and its own result is of no account: the state ends with what comes with the token. */
async function waitForToken({ state, values, scope, ended, fail }: TaskCall): Promise<JsonValue> {
  const heartbeat = values.heartbeatSeconds ?? state.HeartbeatSeconds;
  let stopTimer = () => {};
  const listen = () => {
    stopTimer();
    if (heartbeat === undefined) return;
    const onSilence = () => fail(timeoutError(`The task sent no heartbeat for ${heartbeat} s`));
    stopTimer = startLongTimer(heartbeat * 1000, onSilence);
  };
  const pending = scope.tokens.issue(listen);
  ended.addEventListener('abort', () => {
    stopTimer();
    pending.spend();
  });
  listen();
  const parameters = replaceText(values.input, scope.tokenPlaceholder, pending.token);
  const invocationFailure = invoke(parameters, scope).then(() => new Promise<never>(() => undefined));
  return Promise.race([pending.answer, invocationFailure]);
}

/** A JSON value with one text replaced wherever it occurs within a string. */
function replaceText(value: JsonValue, text: string, replacement: string): JsonValue {
  if (typeof value === 'string') return value.replaceAll(text, replacement);
  if (Array.isArray(value)) return value.map((member) => replaceText(member, text, replacement));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(
    ([name, member]) => [name, replaceText(member, text, replacement)] as const,
  );
  return Object.fromEntries(members);
}
