import { AwsError } from '../protocol/aws-error.ts';
import { parseDefinition } from './check-definition.ts';
import type { Definition } from './definition.ts';
import type { Machine } from './execution.ts';

/** The state machines of this process, by ARN. */
export class StateMachines {
  readonly #arnPrefix: string;
  readonly #machines = new Map<string, Machine>();

  constructor(region: string) {
    this.#arnPrefix = `arn:aws:states:${region}:000000000000:stateMachine:`;
  }

  /** A new machine, or the present one of that name if it has the same definition, as in AWS. */
  create(name: string, definitionText: string, roleArn: string): Machine {
    const present = this.#machines.get(this.#arnPrefix + name);
    if (present !== undefined && present.definitionText !== definitionText) {
      throw new AwsError('StateMachineAlreadyExists', `State Machine Already Exists: '${present.arn}'`);
    }
    return present ?? this.#set(name, definitionText, roleArn);
  }

  /** Gives a machine another definition; executions that run keep theirs. */
  update(arn: string, definitionText: string | undefined, roleArn: string | undefined): void {
    const { name, ...present } = this.find(arn);
    this.#set(name, definitionText ?? present.definitionText, roleArn ?? present.roleArn);
  }

  /** @throws {AwsError} `StateMachineDoesNotExist` */
  find(arn: string): Machine {
    const machine = this.#machines.get(arn);
    if (machine === undefined) {
      throw new AwsError('StateMachineDoesNotExist', `State Machine Does Not Exist: '${arn}'`);
    }
    return machine;
  }

  remove(arn: string): void {
    this.#machines.delete(arn);
  }

  list(): Machine[] {
    return [...this.#machines.values()];
  }

  #set(name: string, definitionText: string, roleArn: string): Machine {
    const definition = readDefinition(definitionText);
    const arn = this.#arnPrefix + name;
    const machine = { name, arn, roleArn, definitionText, definition, createdAt: Date.now() };
    this.#machines.set(arn, machine);
    return machine;
  }
}

/** @throws {AwsError} `InvalidDefinition` */
function readDefinition(text: string): Definition {
  try {
    return parseDefinition(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AwsError('InvalidDefinition', `Invalid State Machine Definition: '${reason}'`, { cause });
  }
}
