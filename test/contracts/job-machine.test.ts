import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  ListExecutionsCommand,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { StepFunctionsJobMachine } from '../../adapters/aws/step-functions-job-machine.ts';
import { jobIdFactory } from '../factories/ids.ts';
import { InMemoryJobMachine } from '../fakes/in-memory-job-machine.ts';
import { AwsWorld } from './aws-world.ts';
import { describeJobMachineContract } from './job-machine.ts';
import { LambdaStub } from './lambda-stub.ts';

describeJobMachineContract('in memory', async () => {
  const machine = new InMemoryJobMachine();
  return {
    machine,
    started: async () => [...machine.started.keys()],
    waitingToken: async () => {
      machine.waitFor('token');
      return 'token';
    },
    giveUp: async (token) => machine.timeOut(token),
    answerTo: async (token) => machine.answers.get(token),
  };
});

const lambda = new LambdaStub();
let world: AwsWorld;
beforeAll(async () => {
  world = await AwsWorld.start({ lambdaEndpoint: await lambda.start() });
});
afterAll(async () => {
  await world.stop();
  await lambda.stop();
});

const waiting = JSON.stringify({
  StartAt: 'Wait',
  States: {
    Wait: {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
      Parameters: { FunctionName: 'wait', Payload: { 'token.$': '$$.Task.Token', 'of.$': '$$.Execution.Id' } },
      End: true,
    },
  },
});
const waitSchema = z.object({ token: z.string(), of: z.string() });
const createMachine = async (): Promise<string> => {
  const command = new CreateStateMachineCommand({
    name: `job-${crypto.randomUUID()}`,
    definition: waiting,
    roleArn: 'arn:aws:iam::000000000000:role/job',
  });
  return (await world.states.send(command)).stateMachineArn ?? '';
};
const waits = () =>
  lambda.invocations
    .filter((each) => each.functionName === 'wait')
    .map((each) => waitSchema.parse(JSON.parse(each.payload)));
const executionOf = (token: string): string => waits().find((each) => each.token === token)?.of ?? '';

describeJobMachineContract('Step Functions', async () => {
  const stateMachineArn = await createMachine();
  return {
    machine: new StepFunctionsJobMachine({ client: world.states, stateMachineArn }),
    started: async () => {
      const { executions = [] } = await world.states.send(new ListExecutionsCommand({ stateMachineArn }));
      return executions.map((execution) => (execution.name ?? '').replace(/^job-/, ''));
    },
    waitingToken: async () => {
      const { executionArn } = await world.states.send(new StartExecutionCommand({ stateMachineArn }));
      return vi.waitFor(() => {
        const wait = waits().find((each) => each.of === executionArn);
        if (!wait) throw new Error('the execution does not wait yet');
        return wait.token;
      });
    },
    giveUp: async (token) => {
      await world.states.send(new StopExecutionCommand({ executionArn: executionOf(token) }));
    },
    answerTo: async (token) => {
      const command = new DescribeExecutionCommand({ executionArn: executionOf(token) });
      return vi.waitFor(async () => {
        const { output } = await world.states.send(command);
        if (!output) throw new Error('the execution goes on');
        return JSON.parse(output).outcome;
      });
    },
  };
});

it('Step Functions: an execution knows its job, its chunks and its time', async () => {
  const stateMachineArn = await createMachine();
  const machine = new StepFunctionsJobMachine({ client: world.states, stateMachineArn });

  await machine.start({ jobId: jobIdFactory(), taskCount: 2_001, maxDurationSeconds: 60 });

  const { executions = [] } = await world.states.send(new ListExecutionsCommand({ stateMachineArn }));
  const executionArn = executions[0]?.executionArn;
  const { input = '' } = await world.states.send(new DescribeExecutionCommand({ executionArn }));
  expect(executions).toMatchObject([{ name: `job-${jobIdFactory()}` }]);
  expect(JSON.parse(input)).toEqual({ jobId: jobIdFactory(), chunks: [0, 1, 2], maxDurationSeconds: 60 });
});

it('Step Functions: a machine that does not exist is an error, not a job that was started', async () => {
  const stateMachineArn = 'arn:aws:states:us-east-1:000000000000:stateMachine:none';
  const machine = new StepFunctionsJobMachine({ client: world.states, stateMachineArn });

  await expect(machine.start({ jobId: jobIdFactory(), taskCount: 1, maxDurationSeconds: 60 })).rejects.toThrow();
});
