import type { JsonObject } from './json-value.ts';
import type { LambdaInvoker } from './lambda-invoker.ts';
import type { TaskTokens } from './task-tokens.ts';

/** What the states of one branch share. */
export interface Scope {
  readonly lambda: LambdaInvoker;
  readonly tokens: TaskTokens;
  /** The context object, `$$`. */
  readonly context: JsonObject;
  /** What `$$.Task.Token` evaluates to at first; each task puts a token of its own in its place. */
  readonly tokenPlaceholder: string;
  /** Aborted when the execution ends early or a sibling failed. */
  readonly signal: AbortSignal;
}
