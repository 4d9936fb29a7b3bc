/**
 * What is read of a state machine's definition, and the form in which the interpreter gets it.
 *
 * The interpreter (aws-local-stepfunctions) does the data flow, Choice, Pass, Retry, Catch and the intrinsics. What it
 * does not do as AWS does is taken from it: Task (no task tokens, no heartbeats, a 60 s timeout by default), Wait (no
 * wait beyond 24 days), Map and Parallel (items that were not started yet go on after a failure, the context object of
 * an iteration lacks its item). Each of these becomes a Task with an override of ours, whose `Parameters` are an
 * envelope with everything that must be evaluated in the state's own input and context.
 */
import { z } from 'zod';
import type { JsonObject, JsonValue } from './json-value.ts';

const seconds = z.number().nonnegative();

const stateSchema = z.looseObject({
  Type: z.string(),
  Resource: z.string().optional(),
  Parameters: z.json().optional(),
  TimeoutSeconds: seconds.optional(),
  TimeoutSecondsPath: z.string().optional(),
  HeartbeatSeconds: seconds.optional(),
  HeartbeatSecondsPath: z.string().optional(),
  Seconds: seconds.optional(),
  SecondsPath: z.string().optional(),
  Timestamp: z.string().optional(),
  TimestampPath: z.string().optional(),
  ItemsPath: z.string().optional(),
  ItemSelector: z.json().optional(),
  MaxConcurrency: z.number().int().nonnegative().optional(),
  MaxConcurrencyPath: z.string().optional(),
  get ItemProcessor() {
    return branchSchema.optional();
  },
  get Iterator() {
    return branchSchema.optional();
  },
  get Branches() {
    return z.array(branchSchema).optional();
  },
});

const branchSchema = z.looseObject({
  StartAt: z.string(),
  get States() {
    return z.record(z.string(), stateSchema);
  },
});

export const definitionSchema = branchSchema.extend({ TimeoutSeconds: seconds.optional() });

export type State = z.output<typeof stateSchema>;
export type Branch = z.output<typeof branchSchema>;
export type Definition = z.output<typeof definitionSchema>;

/** States that are carried out by an override. */
export const overriddenTypes: ReadonlySet<string> = new Set(['Task', 'Wait', 'Map', 'Parallel']);

/** The members of a state that concern any state that can end, wait and fail; they stay the interpreter's. */
const commonMembers = ['Next', 'End', 'InputPath', 'OutputPath', 'ResultPath', 'ResultSelector', 'Retry', 'Catch'];

/** The longest timeout that the interpreter's own timer can hold; ours come first. */
const noTimeoutSeconds = 2_147_483;

/** The branch as the interpreter gets it. */
export function toInterpreted(branch: Branch): { StartAt: string; States: Record<string, object> } {
  const states = Object.entries(branch.States).map(([name, state]) => [name, interpretedState(state)] as const);
  return { StartAt: branch.StartAt, States: Object.fromEntries(states) };
}

function interpretedState(state: State): object {
  if (!overriddenTypes.has(state.Type)) return state;
  const common = Object.entries(state).filter(([name]) => commonMembers.includes(name));
  return {
    ...Object.fromEntries(common),
    Type: 'Task',
    Resource: 'override',
    TimeoutSeconds: noTimeoutSeconds,
    Parameters: envelope(state),
  };
}

function envelope(state: State): JsonObject {
  const isTemplate = state.Type === 'Task' || state.Type === 'Parallel';
  const template = isTemplate ? state.Parameters : undefined;
  return {
    ...(template === undefined ? { 'input.$': '$' } : { input: template }),
    ...evaluated('timeoutSeconds', state.TimeoutSecondsPath),
    ...evaluated('heartbeatSeconds', state.HeartbeatSecondsPath),
    ...evaluated('seconds', state.SecondsPath),
    ...evaluated('timestamp', state.TimestampPath),
    ...evaluated('maxConcurrency', state.MaxConcurrencyPath),
    ...(state.Type === 'Map' && evaluated('items', state.ItemsPath ?? '$')),
  };
}

function evaluated(name: string, path: string | undefined): { [name: string]: JsonValue } {
  return path === undefined ? {} : { [`${name}.$`]: path };
}
