import { StateMachine } from 'aws-local-stepfunctions';
import { AwsError } from '../protocol/aws-error.ts';
import { type Branch, type Definition, definitionSchema } from './definition.ts';
import type { Machine } from './execution.ts';
import { kindOfResource } from './task-state.ts';

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
    const definition = parseDefinition(definitionText);
    const arn = this.#arnPrefix + name;
    const machine = { name, arn, roleArn, definitionText, definition, createdAt: Date.now() };
    this.#machines.set(arn, machine);
    return machine;
  }
}

/** @throws {AwsError} `InvalidDefinition` for what is not ASL, or names a resource that is not emulated */
function parseDefinition(text: string): Definition {
  try {
    // The constructor validates against the language's schema and throws on the first definition that is not ASL.
    new StateMachine(JSON.parse(text));
    // The interpreter gives a nested branch a context of its own, in which Execution is the branch's.
    const definition = definitionSchema.parse(JSON.parse(text.replace(/\$\$\.Execution\b/g, () => '$$.ExecutionRoot')));
    checkResources(definition);
    return definition;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AwsError('InvalidDefinition', `Invalid State Machine Definition: '${reason}'`, { cause });
  }
}

function checkResources(branch: Branch): void {
  for (const [name, state] of Object.entries(branch.States)) {
    if (state.Type === 'Task' && kindOfResource(state.Resource) === undefined) {
      throw new Error(`State ${name}: the resource ${state.Resource} is not emulated`);
    }
    const nested = [state.ItemProcessor, state.Iterator, ...(state.Branches ?? [])];
    for (const inner of nested) if (inner !== undefined) checkResources(inner);
  }
}
