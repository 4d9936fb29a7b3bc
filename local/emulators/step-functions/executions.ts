import { AwsError } from '../protocol/aws-error.ts';
import { Execution, type Machine } from './execution.ts';
import type { LambdaInvoker } from './lambda-invoker.ts';
import type { TaskTokens } from './task-tokens.ts';

/** The executions of this process, by ARN, oldest first. They stay until it ends. */
export class Executions {
  readonly #lambda: LambdaInvoker;
  readonly #tokens: TaskTokens;
  readonly #executions = new Map<string, Execution>();

  constructor(lambda: LambdaInvoker, tokens: TaskTokens) {
    this.#lambda = lambda;
    this.#tokens = tokens;
  }

  /**
   * Starts an execution, or finds the one that runs under the same name with the same input.
   *
   * @throws {AwsError} `ExecutionAlreadyExists` when that one has ended or has another input
   */
  start(machine: Machine, name: string, input: string): Execution {
    const execution = new Execution(machine, name, checkInput(input));
    const present = this.#executions.get(execution.arn);
    if (present?.outcome.status === 'RUNNING' && present.input === input) return present;
    if (present !== undefined) {
      throw new AwsError('ExecutionAlreadyExists', `Execution Already Exists: '${present.arn}'`);
    }
    this.#executions.set(execution.arn, execution);
    execution.start(machine, this.#lambda, this.#tokens);
    return execution;
  }

  /** @throws {AwsError} `ExecutionDoesNotExist` */
  find(arn: string): Execution {
    const execution = this.#executions.get(arn);
    if (execution === undefined) throw new AwsError('ExecutionDoesNotExist', `Execution Does Not Exist: '${arn}'`);
    return execution;
  }

  /** Newest first. */
  list(machineArn: string, status: string | undefined): Execution[] {
    return [...this.#executions.values()]
      .filter((execution) => execution.machineArn === machineArn)
      .filter((execution) => status === undefined || execution.outcome.status === status)
      .reverse();
  }

  close(): void {
    for (const execution of this.#executions.values()) execution.abort();
  }
}

function checkInput(input: string): string {
  try {
    JSON.parse(input);
    return input;
  } catch (cause) {
    throw new AwsError('InvalidExecutionInput', `Invalid State Machine Execution Input: '${input}'`, { cause });
  }
}
