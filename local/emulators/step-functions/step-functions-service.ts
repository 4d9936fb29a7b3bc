/** The Step Functions API: maps each operation to machines, executions and task tokens. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { AwsError } from '../protocol/aws-error.ts';
import type { JsonHandler } from '../protocol/json-protocol.ts';
import { parseInput } from '../protocol/parse-input.ts';
import type { Execution, Machine } from './execution.ts';
import type { Executions } from './executions.ts';
import type { StateMachines } from './state-machines.ts';
import type { TaskTokens } from './task-tokens.ts';

/** What an operation works on. */
export interface StepFunctions {
  readonly machines: StateMachines;
  readonly executions: Executions;
  readonly tokens: TaskTokens;
}

const name = z.string().regex(/^[\w.-]{1,80}$/);
const machineArn = z.object({ stateMachineArn: z.string() });
const executionArn = z.object({ executionArn: z.string() });
const taskToken = z.object({ taskToken: z.string() });
const page = z.object({ maxResults: z.number().int().min(0).default(0), nextToken: z.string().default('0') });

function operation<Schema extends z.ZodType>(
  schema: Schema,
  run: (input: z.output<Schema>, states: StepFunctions) => object,
) {
  return (input: unknown, states: StepFunctions) => run(parseInput(schema, input, 'ValidationException'), states);
}

const operations: Readonly<Record<string, (input: unknown, states: StepFunctions) => object>> = {
  CreateStateMachine: operation(
    z.object({ name, definition: z.string(), roleArn: z.string().default('') }),
    ({ name, definition, roleArn }, { machines }) => {
      const machine = machines.create(name, definition, roleArn);
      return { stateMachineArn: machine.arn, creationDate: machine.createdAt / 1000 };
    },
  ),
  UpdateStateMachine: operation(
    machineArn.extend({ definition: z.string().optional(), roleArn: z.string().optional() }),
    ({ stateMachineArn, definition, roleArn }, { machines }) => {
      machines.update(stateMachineArn, definition, roleArn);
      return { updateDate: Date.now() / 1000 };
    },
  ),
  DescribeStateMachine: operation(machineArn, ({ stateMachineArn }, { machines }) => {
    const machine = machines.find(stateMachineArn);
    return {
      ...describeMachine(machine),
      status: 'ACTIVE',
      definition: machine.definitionText,
      roleArn: machine.roleArn,
    };
  }),
  DeleteStateMachine: operation(machineArn, ({ stateMachineArn }, { machines }) => {
    machines.remove(stateMachineArn);
    return {};
  }),
  ListStateMachines: operation(page, (request, { machines }) => {
    const { members, ...rest } = paginate(machines.list(), request);
    return { stateMachines: members.map(describeMachine), ...rest };
  }),
  StartExecution: operation(
    machineArn.extend({ name: name.optional(), input: z.string().default('{}') }),
    ({ stateMachineArn, name, input }, { machines, executions }) => {
      const execution = executions.start(machines.find(stateMachineArn), name ?? randomUUID(), input);
      return { executionArn: execution.arn, startDate: execution.startedAt / 1000 };
    },
  ),
  DescribeExecution: operation(executionArn, ({ executionArn }, { executions }) => {
    const execution = executions.find(executionArn);
    const { output, error, cause } = execution.outcome;
    return { ...describeExecution(execution), input: execution.input, output, error, cause };
  }),
  ListExecutions: operation(
    machineArn.extend({ ...page.shape, statusFilter: z.string().optional() }),
    ({ stateMachineArn, statusFilter, ...request }, { machines, executions }) => {
      const all = executions.list(machines.find(stateMachineArn).arn, statusFilter);
      const { members, ...rest } = paginate(all, request);
      return { executions: members.map(describeExecution), ...rest };
    },
  ),
  StopExecution: operation(
    executionArn.extend({ error: z.string().optional(), cause: z.string().optional() }),
    ({ executionArn, error, cause }, { executions }) => {
      const execution = executions.find(executionArn);
      execution.abort(error, cause);
      return { stopDate: (execution.stoppedAt ?? Date.now()) / 1000 };
    },
  ),
  SendTaskSuccess: operation(taskToken.extend({ output: z.string() }), ({ taskToken, output }, { tokens }) => {
    tokens.succeed(taskToken, parseOutput(output));
    return {};
  }),
  SendTaskFailure: operation(
    taskToken.extend({ error: z.string().default(''), cause: z.string().default('') }),
    ({ taskToken, error, cause }, { tokens }) => {
      tokens.fail(taskToken, error, cause);
      return {};
    },
  ),
  SendTaskHeartbeat: operation(taskToken, ({ taskToken }, { tokens }) => {
    tokens.beat(taskToken);
    return {};
  }),
};

/** Every Step Functions call of this process passes through the returned function. */
export function createStepFunctionsHandler(states: StepFunctions): JsonHandler {
  return (call) => {
    const run = operations[call.operation];
    if (run === undefined) throw new AwsError('UnknownOperationException', `Not emulated: ${call.operation}`);
    return run(call.input, states);
  };
}

function describeMachine(machine: Machine): object {
  const { name, arn, createdAt } = machine;
  return { name, stateMachineArn: arn, type: 'STANDARD', creationDate: createdAt / 1000 };
}

function describeExecution(execution: Execution): object {
  return {
    executionArn: execution.arn,
    stateMachineArn: execution.machineArn,
    name: execution.name,
    status: execution.outcome.status,
    startDate: execution.startedAt / 1000,
    ...(execution.stoppedAt !== undefined && { stopDate: execution.stoppedAt / 1000 }),
  };
}

/** A page of a list; the token is the position at which the next one starts. */
function paginate<Member>(all: readonly Member[], { maxResults, nextToken }: z.output<typeof page>) {
  const start = Number(nextToken);
  if (!Number.isInteger(start) || start < 0) throw new AwsError('InvalidToken', `Invalid Token: '${nextToken}'`);
  const end = start + (maxResults === 0 ? 100 : Math.min(maxResults, 1000));
  return { members: all.slice(start, end), ...(end < all.length && { nextToken: String(end) }) };
}

function parseOutput(output: string) {
  try {
    return z.json().parse(JSON.parse(output));
  } catch (cause) {
    throw new AwsError('InvalidOutput', `Invalid Output: '${output}'`, { cause });
  }
}
