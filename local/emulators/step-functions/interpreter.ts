/** Runs branches: the states of a machine, of one Map iteration, or of one Parallel branch. */
import { ExecutionError, StateMachine, type StateMachineDefinition } from 'aws-local-stepfunctions';
import { type Branch, evaluatedMembers, overriddenTypes, type State, toInterpreted } from './definition.ts';
import type { JsonValue } from './json-value.ts';
import { startLongTimer } from './long-timer.ts';
import { runPieces } from './parallel-runs.ts';
import type { Scope } from './scope.ts';
import { StatesRuntimeError } from './state-error.ts';
import { type Evaluated, evaluatedSchema, runTask } from './task-state.ts';
import { evaluateTemplate } from './template.ts';

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
    states.map(([name, state]) => [name, (input) => override(name, state, input, scope)] as const),
  );
}

async function override(name: string, state: State, stateInput: JsonValue, outer: Scope): Promise<JsonValue> {
  const context = { ...outer.context, State: { Name: name, EnteredTime: new Date().toISOString() } };
  const scope = { ...outer, context };
  const members = await evaluateTemplate(evaluatedMembers(state), stateInput, context);
  const { data: values, error } = evaluatedSchema.safeParse(members);
  if (error !== undefined) throw new StatesRuntimeError(`A path leads to a value of the wrong kind: ${error.message}`);
  switch (state.Type) {
    case 'Pass':
      return state.Result === undefined ? values.input : state.Result;
    case 'Wait':
      return wait(state, values, scope);
    case 'Map':
      return runMap(state, values, scope);
    case 'Parallel':
      return runParallel(state, values, scope);
    default:
      return runTask(state, values, scope);
  }
}

async function wait(state: State, values: Evaluated, { signal }: Scope): Promise<JsonValue> {
  const timestamp = values.timestamp ?? state.Timestamp;
  const seconds = values.seconds ?? state.Seconds ?? 0;
  const milliseconds = timestamp === undefined ? seconds * 1000 : Date.parse(timestamp) - Date.now();
  if (Number.isNaN(milliseconds)) throw new StatesRuntimeError(`Not a timestamp: ${timestamp}`);
  return new Promise((resolve) => {
    const end = () => {
      stop();
      signal.removeEventListener('abort', end);
      resolve(values.input);
    };
    const stop = startLongTimer(milliseconds, end);
    signal.addEventListener('abort', end);
  });
}

async function runMap(state: State, values: Evaluated, scope: Scope): Promise<JsonValue> {
  const { items } = values;
  const branch = state.ItemProcessor ?? state.Iterator;
  if (!Array.isArray(items)) throw new StatesRuntimeError('The items of a Map state must be an array');
  if (branch === undefined) throw new StatesRuntimeError('A Map state needs an ItemProcessor');
  const limit = values.maxConcurrency ?? state.MaxConcurrency ?? 0;
  return runPieces(items.length, limit === 0 ? defaultConcurrency : limit, scope.signal, async (index, signal) => {
    const item = items[index] ?? null;
    const context = { ...scope.context, Map: { Item: { Index: index, Value: item } } };
    const selector = state.ItemSelector ?? state.Parameters;
    const input = selector === undefined ? item : await evaluateTemplate(selector, values.input, context);
    return runBranch(branch, input, { ...scope, context, signal });
  });
}

function runParallel(state: State, values: Evaluated, scope: Scope): Promise<JsonValue> {
  const branches = state.Branches ?? [];
  return runPieces(branches.length, branches.length, scope.signal, (index, signal) => {
    const branch = branches[index];
    if (branch === undefined) throw new StatesRuntimeError('A Parallel state needs branches');
    return runBranch(branch, values.input, { ...scope, signal });
  });
}
