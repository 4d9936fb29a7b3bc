/**
 * What is read of a state machine's definition, and the form in which the interpreter gets it.
 *
 * The interpreter (aws-local-stepfunctions) does the transitions, Choice, Succeed, Fail, Retry, Catch and what becomes of
 * a state's result. What it does not do as AWS does is taken from it: Task (no task tokens, no heartbeats, a 60 s timeout
 * by default), Wait (no wait beyond 24 days), Map and Parallel (items that were not started go on after a failure, the
 * context object of an iteration lacks its item) and Pass (an empty result counts as none). Each of these becomes a Task
 * with an override of ours, which is handed the state's input and evaluates the templates and paths in it itself.
 */
import { z } from 'zod';
import type { JsonObject } from './json-value.ts';

const seconds = z.number().nonnegative();

const template = z.record(z.string(), z.json());

const stateSchema = z.looseObject({
  Type: z.string(),
  Next: z.string().optional(),
  Catch: z.array(z.looseObject({ Next: z.string() })).optional(),
  Choices: z.array(z.looseObject({ Next: z.string() })).optional(),
  Default: z.string().optional(),
  Resource: z.string().optional(),
  Parameters: template.optional(),
  Result: z.json().optional(),
  TimeoutSeconds: seconds.optional(),
  TimeoutSecondsPath: z.string().optional(),
  HeartbeatSeconds: seconds.optional(),
  HeartbeatSecondsPath: z.string().optional(),
  Seconds: seconds.optional(),
  SecondsPath: z.string().optional(),
  Timestamp: z.string().optional(),
  TimestampPath: z.string().optional(),
  ItemsPath: z.string().optional(),
  ItemSelector: template.optional(),
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
export const overriddenTypes: ReadonlySet<string> = new Set(['Task', 'Wait', 'Map', 'Parallel', 'Pass']);

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
  // As a path, `$` alone means what no path means, and the interpreter does not find it in empty values.
  const common = Object.entries(state).filter(([name, value]) => commonMembers.includes(name) && value !== '$');
  return {
    ...Object.fromEntries(common),
    Type: 'Task',
    Resource: 'override',
    TimeoutSeconds: noTimeoutSeconds,
  };
}

/** A template of everything in a state that its input and context decide; `input` is what the state works on. */
export function evaluatedMembers(state: State): JsonObject {
  // A Map's own Parameters are an older name of its ItemSelector, which is evaluated for each item.
  const parameters = state.Type === 'Map' ? undefined : state.Parameters;
  return {
    ...(parameters === undefined ? { 'input.$': '$' } : { input: parameters }),
    ...evaluated('timeoutSeconds', state.TimeoutSecondsPath),
    ...evaluated('heartbeatSeconds', state.HeartbeatSecondsPath),
    ...evaluated('seconds', state.SecondsPath),
    ...evaluated('timestamp', state.TimestampPath),
    ...evaluated('maxConcurrency', state.MaxConcurrencyPath),
    ...(state.Type === 'Map' && evaluated('items', state.ItemsPath ?? '$')),
  };
}

function evaluated(name: string, path: string | undefined): JsonObject {
  return path === undefined ? {} : { [`${name}.$`]: path };
}
