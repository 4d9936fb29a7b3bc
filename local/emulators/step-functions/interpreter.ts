/** Runs branches: the states of a machine, of one Map iteration, or of one Parallel branch. */
import { randomUUID } from 'node:crypto';
import { ExecutionError, StateMachine, type StateMachineDefinition } from 'aws-local-stepfunctions';
import { type Branch, overriddenTypes, type State, toInterpreted } from './definition.ts';
import type { JsonValue } from './json-value.ts';
import { startLongTimer } from './long-timer.ts';
import { runPieces } from './parallel-runs.ts';
import type { Scope } from './scope.ts';
import { StatesRuntimeError } from './state-error.ts';
import { type Envelope, envelopeSchema, runTask } from './task-state.ts';

/** AWS runs at most so many iterations of an inline Map at a time. */
const defaultConcurrency = 40;

/**
 * Runs a branch to its end.
 *
 * @returns the output of its last state
 * @throws {Error} whose name and message are ASL's `Error` and `Cause`
 */
export async function runBranch(branch: Branch, input: JsonValue, scope: Scope): Promise<JsonValue> {
  scope.signal.throwIfAborted();
  // The definition was checked when the machine was made; its new form is wider than the library's type.
  const definition = toInterpreted(branch) as unknown as StateMachineDefinition;
  const machine = new StateMachine(definition, { validationOptions: { noValidate: true } });
  const overrides = { taskResourceLocalHandlers: overridesOf(branch, scope) };
  const run = machine.run(input, { context: scope.context, overrides });
  scope.signal.addEventListener('abort', run.abort, { once: true });
  try {
    return await run.result;
  } catch (error) {
    throw error instanceof ExecutionError ? error.cause : error;
  } finally {
    scope.signal.removeEventListener('abort', run.abort);
  }
}

function overridesOf(branch: Branch, scope: Scope): Record<string, (input: JsonValue) => Promise<JsonValue>> {
  const states = Object.entries(branch.States).filter(([, state]) => overriddenTypes.has(state.Type));
  return Object.fromEntries(
    states.map(
      ([name, state]) => [name, async (input) => override(state, envelopeSchema.parse(input), scope)] as const,
    ),
  );
}

function override(state: State, envelope: Envelope, scope: Scope): Promise<JsonValue> {
  switch (state.Type) {
    case 'Wait':
      return wait(state, envelope, scope);
    case 'Map':
      return runMap(state, envelope, scope);
    case 'Parallel':
      return runParallel(state, envelope, scope);
    default:
      return runTask(state, envelope, scope);
  }
}

async function wait(state: State, envelope: Envelope, { signal }: Scope): Promise<JsonValue> {
  const timestamp = envelope.timestamp ?? state.Timestamp;
  const seconds = envelope.seconds ?? state.Seconds ?? 0;
  const milliseconds = timestamp === undefined ? seconds * 1000 : Date.parse(timestamp) - Date.now();
  if (Number.isNaN(milliseconds)) throw new StatesRuntimeError(`Not a timestamp: ${timestamp}`);
  return new Promise((resolve) => {
    const end = () => {
      stop();
      signal.removeEventListener('abort', end);
      resolve(envelope.input);
    };
    const stop = startLongTimer(milliseconds, end);
    signal.addEventListener('abort', end);
  });
}

async function runMap(state: State, envelope: Envelope, scope: Scope): Promise<JsonValue> {
  const { items } = envelope;
  const branch = state.ItemProcessor ?? state.Iterator;
  if (!Array.isArray(items)) throw new StatesRuntimeError('The items of a Map state must be an array');
  if (branch === undefined) throw new StatesRuntimeError('A Map state needs an ItemProcessor');
  const selector = state.ItemSelector ?? state.Parameters;
  const iterated = selector === undefined ? branch : withSelector(branch, selector);
  const limit = envelope.maxConcurrency ?? state.MaxConcurrency ?? 0;
  return runPieces(items.length, limit === 0 ? defaultConcurrency : limit, scope.signal, (index, signal) => {
    const item = items[index] ?? null;
    const context = { ...scope.context, Map: { Item: { Index: index, Value: item } } };
    return runBranch(iterated, selector === undefined ? item : envelope.input, { ...scope, context, signal });
  });
}

/** An item's input is made in the context of its iteration: by a state in front of the others. */
function withSelector(branch: Branch, selector: JsonValue): Branch {
  const name = `select-item-${randomUUID()}`;
  const select: State = { Type: 'Pass', Parameters: selector, Next: branch.StartAt };
  return { StartAt: name, States: { ...branch.States, [name]: select } };
}

function runParallel(state: State, envelope: Envelope, scope: Scope): Promise<JsonValue> {
  const branches = state.Branches ?? [];
  return runPieces(branches.length, branches.length, scope.signal, (index, signal) => {
    const branch = branches[index];
    if (branch === undefined) throw new StatesRuntimeError('A Parallel state needs branches');
    return runBranch(branch, envelope.input, { ...scope, signal });
  });
}
