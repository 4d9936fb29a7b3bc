import { randomUUID } from 'node:crypto';
import type { Definition } from './definition.ts';
import { runBranch } from './interpreter.ts';
import type { JsonValue } from './json-value.ts';
import type { LambdaInvoker } from './lambda-invoker.ts';
import { startLongTimer } from './long-timer.ts';
import type { TaskTokens } from './task-tokens.ts';

export type ExecutionStatus = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';

export interface Machine {
  readonly name: string;
  readonly arn: string;
  readonly roleArn: string;
  readonly definitionText: string;
  readonly definition: Definition;
  /** Epoch milliseconds. */
  readonly createdAt: number;
}

interface Outcome {
  readonly status: ExecutionStatus;
  readonly output?: string;
  readonly error?: string | undefined;
  readonly cause?: string | undefined;
}

/** One execution, from its start to the first of: its last state, a failure, its timeout, an abort. */
export class Execution {
  readonly name: string;
  readonly arn: string;
  readonly machineArn: string;
  /** JSON, as it was given. */
  readonly input: string;
  readonly startedAt = Date.now();
  readonly #ended = new AbortController();
  #outcome: Outcome = { status: 'RUNNING' };
  #stoppedAt: number | undefined;

  constructor(machine: Machine, name: string, input: string) {
    this.name = name;
    this.arn = `${machine.arn.replace(':stateMachine:', ':execution:')}:${name}`;
    this.machineArn = machine.arn;
    this.input = input;
  }

  get outcome(): Outcome {
    return this.#outcome;
  }

  get stoppedAt(): number | undefined {
    return this.#stoppedAt;
  }

  /** Starts running; the outcome tells how far it is. */
  start(machine: Machine, lambda: LambdaInvoker, tokens: TaskTokens): void {
    const input: JsonValue = JSON.parse(this.input);
    const placeholder = `task-token-${randomUUID()}`;
    const context = {
      ExecutionRoot: this.#describe(machine, input),
      StateMachine: { Id: machine.arn, Name: machine.name },
      Task: { Token: placeholder },
    };
    const { TimeoutSeconds } = machine.definition;
    if (TimeoutSeconds !== undefined) {
      const onDue = () => this.#end({ status: 'TIMED_OUT', error: 'States.Timeout' });
      this.#ended.signal.addEventListener('abort', startLongTimer(TimeoutSeconds * 1000, onDue));
    }
    const scope = { lambda, tokens, context, tokenPlaceholder: placeholder, signal: this.#ended.signal };
    runBranch(machine.definition, input, scope).then(
      (output) => this.#end({ status: 'SUCCEEDED', output: JSON.stringify(output) }),
      (error: unknown) => this.#end({ status: 'FAILED', ...describeError(error) }),
    );
  }

  /** Ends a running execution; one that has ended stays as it is. */
  abort(error?: string, cause?: string): void {
    this.#end({ status: 'ABORTED', error, cause });
  }

  #end(outcome: Outcome): void {
    if (this.#outcome.status !== 'RUNNING') return;
    this.#outcome = outcome;
    this.#stoppedAt = Date.now();
    this.#ended.abort();
  }

  #describe(machine: Machine, input: JsonValue) {
    return {
      Id: this.arn,
      Input: input,
      Name: this.name,
      RoleArn: machine.roleArn,
      StartTime: new Date(this.startedAt).toISOString(),
    };
  }
}

function describeError(error: unknown): { error: string; cause: string } {
  if (!(error instanceof Error)) return { error: 'States.Runtime', cause: String(error) };
  return { error: error.name, cause: error.message };
}
