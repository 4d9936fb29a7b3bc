/**
 * Step Functions, as far as `statemachine/job.asl.yml` uses it: that very file is interpreted, and whatever is new in it
 * is refused loudly until it is understood here. The service itself never dies; the functions that it calls do.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

interface Retrier {
  readonly ErrorEquals: readonly string[];
  readonly MaxAttempts: number;
  readonly IntervalSeconds?: number;
  readonly BackoffRate?: number;
  readonly MaxDelaySeconds?: number;
  readonly JitterStrategy?: string;
}

interface Catcher {
  readonly ErrorEquals: readonly string[];
  readonly ResultPath: string;
  readonly Next: string;
}

interface Choice {
  readonly Variable: string;
  readonly StringEquals: string;
  readonly Next: string;
}

interface State {
  readonly Type: string;
  readonly Resource?: string;
  readonly Parameters?: Json;
  readonly TimeoutSeconds?: number;
  readonly TimeoutSecondsPath?: string;
  readonly Retry?: readonly Retrier[];
  readonly Catch?: readonly Catcher[];
  readonly Choices?: readonly Choice[];
  readonly Default?: string;
  readonly ItemsPath?: string;
  readonly ItemSelector?: Json;
  readonly ItemProcessor?: Definition;
  readonly MaxConcurrency?: number;
  readonly ResultPath?: string | null;
  readonly Next?: string;
  readonly End?: boolean;
}

interface Definition {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
}

type Json = { readonly [key: string]: unknown };

const KNOWN: Readonly<Record<string, readonly string[]>> = {
  Map: ['ItemsPath', 'ItemSelector', 'MaxConcurrency', 'ItemProcessor', 'Catch'],
  Task: ['Resource', 'Parameters', 'TimeoutSeconds', 'TimeoutSecondsPath', 'Retry', 'Catch'],
  Choice: ['Choices', 'Default'],
  Pass: ['Parameters'],
};
const ALWAYS_KNOWN = ['Type', 'ResultPath', 'Next', 'End'];

const FILE = join(import.meta.dirname, '../../statemachine/job.asl.yml');

/** @throws RangeError naming what the file uses and this interpreter does not know */
export function readDefinition(): Definition {
  // The build validates the file against the language; what matters here is checked state by state.
  const definition = parse(readFileSync(FILE, 'utf8')) as Definition;
  refuseUnknown(definition);
  return definition;
}

function refuseUnknown({ States }: Definition): void {
  for (const [name, state] of Object.entries(States)) {
    const known = [...(KNOWN[state.Type] ?? []), ...ALWAYS_KNOWN];
    const unknown = Object.keys(state).filter((key) => !known.includes(key));
    if (!KNOWN[state.Type] || unknown.length > 0) {
      throw new RangeError(`the simulator does not know ${state.Type} ${unknown.join(', ')} of the state ${name}`);
    }
    if (state.ItemProcessor) refuseUnknown(state.ItemProcessor);
  }
}

/** How a state fails: by the name that retriers and catchers know. */
class StateError {
  readonly name: string;
  readonly cause: string;

  constructor(name: string, cause: string) {
    this.name = name;
    this.cause = cause;
  }
}

export interface MachineWorld {
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly random: () => number;
  /** Invokes the steps' function; rejects with what it threw, or with that it died. */
  readonly invoke: (payload: unknown) => Promise<unknown>;
  readonly newToken: () => string;
  /** Resolves when the token is returned, with its output. */
  readonly waitFor: (token: string) => Promise<unknown>;
  /** The token is worth nothing any more. */
  readonly forget: (token: string) => void;
  readonly onError: (state: string, error: string) => void;
}

interface Context {
  readonly token?: string;
  readonly item?: unknown;
}

/** Runs one execution; resolves with `false` if it failed. */
export async function runExecution(definition: Definition, input: Json, world: MachineWorld): Promise<boolean> {
  try {
    await runStates(definition, input, world);
    return true;
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    return false;
  }
}

async function runStates(definition: Definition, input: Json, world: MachineWorld): Promise<void> {
  let data = input;
  for (let name = definition.StartAt; ; ) {
    const state = definition.States[name];
    if (!state) throw new RangeError(`there is no state ${name}`);
    try {
      const result = await withRetries(name, state, data, world);
      data = withResult(data, state.ResultPath, result);
      const next = state.Type === 'Choice' ? choose(state, data) : state.Next;
      if (next === undefined) return;
      name = next;
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      world.onError(name, `${error.name}: ${error.cause}`);
      const caught = state.Catch?.find((each) => isNamed(error, each.ErrorEquals));
      if (!caught) throw error;
      data = withResult(data, caught.ResultPath, { Error: error.name, Cause: error.cause });
      name = caught.Next;
    }
  }
}

async function withRetries(name: string, state: State, data: Json, world: MachineWorld): Promise<unknown> {
  const tries = new Map<Retrier, number>();
  for (;;) {
    try {
      return await runState(state, data, world);
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      const retrier = state.Retry?.find((each) => isNamed(error, each.ErrorEquals));
      const tried = retrier ? (tries.get(retrier) ?? 0) : 0;
      if (!retrier || tried >= retrier.MaxAttempts) throw error;
      tries.set(retrier, tried + 1);
      world.onError(name, `${error.name}, again`);
      const { IntervalSeconds = 1, BackoffRate = 2, MaxDelaySeconds = 3_600, JitterStrategy } = retrier;
      const seconds = Math.min(MaxDelaySeconds, IntervalSeconds * BackoffRate ** tried);
      await world.sleep(seconds * 1_000 * (JitterStrategy === 'FULL' ? world.random() : 1));
    }
  }
}

async function runState(state: State, data: Json, world: MachineWorld): Promise<unknown> {
  switch (state.Type) {
    case 'Pass':
      return fill(state.Parameters ?? {}, data, {});
    case 'Choice':
      return data;
    case 'Map':
      return runMap(state, data, world);
    default:
      return runTask(state, data, world);
  }
}

/** Each item by itself, at most so many at a time; the first failure fails the whole. */
async function runMap(state: State, data: Json, world: MachineWorld): Promise<unknown> {
  const { ItemProcessor, ItemSelector = {}, ItemsPath = '$', MaxConcurrency = 40 } = state;
  const items = look(ItemsPath, data, {});
  if (!Array.isArray(items) || !ItemProcessor) throw new StateError('States.Runtime', 'not a list');
  const left = [...items];
  const work = async (): Promise<void> => {
    while (left.length > 0) {
      const item: unknown = left.shift();
      await runStates(ItemProcessor, fill(ItemSelector, data, { item }), world);
    }
  };
  await Promise.all(Array.from({ length: Math.min(MaxConcurrency, items.length) }, work));
  return null;
}

async function runTask(state: State, data: Json, world: MachineWorld): Promise<unknown> {
  const seconds = state.TimeoutSecondsPath ? Number(look(state.TimeoutSecondsPath, data, {})) : state.TimeoutSeconds;
  const timeOut = world.sleep((seconds ?? 99_999_999) * 1_000).then((): never => {
    throw new StateError('States.Timeout', '');
  });
  timeOut.catch(() => undefined);
  const waits = state.Resource?.endsWith('.waitForTaskToken') ?? false;
  const token = world.newToken();
  const returned = waits ? world.waitFor(token) : undefined;
  const parameters = fill(state.Parameters ?? {}, data, { token });
  const invoked = world.invoke(parameters['Payload']).catch((error: unknown): never => {
    throw error instanceof Error ? new StateError(error.name, error.message) : error;
  });
  invoked.catch(() => undefined);
  try {
    // The token may be returned before the function has answered.
    const answered = returned === undefined ? invoked : Promise.race([returned, invoked.then(() => returned)]);
    return await Promise.race([answered, timeOut]);
  } finally {
    if (waits) world.forget(token);
  }
}

function choose({ Choices = [], Default }: State, data: Json): string | undefined {
  return Choices.find((each) => look(each.Variable, data, {}) === each.StringEquals)?.Next ?? Default;
}

/** `States.TaskFailed` matches whatever a task throws, but not that it took too long. */
const isNamed = ({ name }: StateError, names: readonly string[]): boolean =>
  names.some(
    (each) => each === name || each === 'States.ALL' || (each === 'States.TaskFailed' && name !== 'States.Timeout'),
  );

/** Without a path the result takes the place of all there was, with `null` it is dropped. */
function withResult(data: Json, path: string | null | undefined, result: unknown): Json {
  if (path === null) return data;
  // Only states whose result is an object leave the path out.
  if (path === undefined) return result as Json;
  return { ...data, [path.replace(/^\$\./, '')]: result };
}

/** A template with its `….$` fields looked up. */
function fill(template: Json, data: Json, context: Context): Json {
  return Object.fromEntries(
    Object.entries(template).map(([key, value]) => {
      if (key.endsWith('.$')) return [key.slice(0, -2), look(String(value), data, context)];
      // Safe: an object of the template is one of its parts.
      return [key, typeof value === 'object' && value !== null ? fill(value as Json, data, context) : value];
    }),
  );
}

function look(path: string, data: Json, { token, item }: Context): unknown {
  if (path === '$') return data;
  if (path === '$$.Task.Token') return token;
  if (path === '$$.Map.Item.Value') return item;
  const json = /^States\.JsonToString\((.+)\)$/.exec(path);
  if (json?.[1]) return JSON.stringify(look(json[1], data, {}));
  const field = /^\$\.(\w+)(?:\.(\w+))?$/.exec(path);
  if (!field?.[1]) throw new RangeError(`the simulator does not know the path ${path}`);
  const value = data[field[1]];
  // Safe: a path of two steps names a field of an object; whatever else it meets has no such field.
  return field[2] === undefined ? value : (value as Json | undefined)?.[field[2]];
}
