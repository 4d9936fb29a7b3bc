import { DescribeExecutionCommand, ListExecutionsCommand } from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { StepFunctionsJobMachine } from '../../adapters/aws/step-functions-job-machine.ts';
import { jobIdFactory } from '../factories/ids.ts';
import { InMemoryJobMachine } from '../fakes/in-memory-job-machine.ts';
import { AwsWorld } from './aws-world.ts';
import { describeJobMachineContract } from './job-machine.ts';
import { LambdaStub } from './lambda-stub.ts';
import { createWaitingMachine, waitingMachineSetup } from './waiting-machines.ts';

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

describeJobMachineContract('Step Functions', () => waitingMachineSetup(world.states, world.states, lambda));

it('Step Functions: an execution knows its job, its chunks and its time', async () => {
  const stateMachineArn = await createWaitingMachine(world.states);
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
