/** State machines in the emulator that wait for a task token, and the setup of the contract of job machines over them. */
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  ListExecutionsCommand,
  type SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { vi } from 'vitest';
import { z } from 'zod';
import { StepFunctionsJobMachine } from '../../adapters/aws/step-functions-job-machine.ts';
import type { JobMachineSetup } from './job-machine.ts';
import type { LambdaStub } from './lambda-stub.ts';

const definition = JSON.stringify({
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

export async function createWaitingMachine(states: SFNClient): Promise<string> {
  const roleArn = 'arn:aws:iam::000000000000:role/job';
  const command = new CreateStateMachineCommand({ name: `job-${crypto.randomUUID()}`, definition, roleArn });
  return (await states.send(command)).stateMachineArn ?? '';
}

/**
 * @param states for the test's own hands
 * @param client for the adapter
 * @param lambda what the machines invoke
 */
export async function waitingMachineSetup(
  states: SFNClient,
  client: SFNClient,
  lambda: LambdaStub,
): Promise<JobMachineSetup> {
  const stateMachineArn = await createWaitingMachine(states);
  const waits = () =>
    lambda.invocations
      .filter((each) => each.functionName === 'wait')
      .map((each) => waitSchema.parse(JSON.parse(each.payload)));
  const executionOf = (token: string): string => waits().find((each) => each.token === token)?.of ?? '';
  return {
    machine: new StepFunctionsJobMachine({ client, stateMachineArn }),
    started: async () => {
      const { executions = [] } = await states.send(new ListExecutionsCommand({ stateMachineArn }));
      return executions.map((execution) => (execution.name ?? '').replace(/^job-/, ''));
    },
    waitingToken: async () => {
      const { executionArn } = await states.send(new StartExecutionCommand({ stateMachineArn }));
      return vi.waitFor(() => {
        const wait = waits().find((each) => each.of === executionArn);
        if (!wait) throw new Error('the execution does not wait yet');
        return wait.token;
      });
    },
    giveUp: async (token) => {
      await states.send(new StopExecutionCommand({ executionArn: executionOf(token) }));
    },
    answerTo: async (token) => {
      const command = new DescribeExecutionCommand({ executionArn: executionOf(token) });
      return vi.waitFor(async () => {
        const { output } = await states.send(command);
        if (!output) throw new Error('the execution goes on');
        return JSON.parse(output).outcome;
      });
    },
  };
}
