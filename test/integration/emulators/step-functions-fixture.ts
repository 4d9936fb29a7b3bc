/** A Step Functions emulator, a function host beside it, and the steps that its tests share. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import * as sfn from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { startStepFunctions } from '../../../local/emulators/step-functions/start-step-functions.ts';
import { clientConfig } from './client-config.ts';

/** What a function of these tests does: answer, fail with its own error, or fail as the Lambda service itself. */
export type Answer =
  | { result: unknown }
  | { functionError: { errorType: string; errorMessage: string } }
  | { status: number };

const functions = new Map<string, (payload: unknown) => Answer | Promise<Answer>>();
let counter = 0;

/** A function host on Lambda's own HTTP API. */
function createHost() {
  return createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const name = decodeURIComponent(request.url?.split('/')[3] ?? '');
    const answer = (await functions.get(name)?.(JSON.parse(Buffer.concat(chunks).toString() || '{}'))) ?? {
      status: 404,
    };
    if ('status' in answer) {
      const type = answer.status === 429 ? 'TooManyRequestsException' : 'ServiceException';
      response.writeHead(answer.status, answer.status === 503 ? {} : { 'x-amzn-errortype': type }).end('{}');
    } else if ('functionError' in answer) {
      response.writeHead(200, { 'x-amz-function-error': 'Unhandled' }).end(JSON.stringify(answer.functionError));
    } else {
      response.writeHead(200, { 'x-amz-executed-version': '$LATEST' }).end(JSON.stringify(answer.result));
    }
  });
}

export let client: sfn.SFNClient;

/** Starts both for the tests of a file. */
export function useStepFunctions(): void {
  const host = createHost();
  let server: Awaited<ReturnType<typeof startStepFunctions>>;
  beforeAll(async () => {
    await once(host.listen(0, '127.0.0.1'), 'listening');
    const address = host.address();
    const hostPort = typeof address === 'object' ? address?.port : undefined;
    const lambdaEndpoint = `http://127.0.0.1:${hostPort}`;
    server = await startStepFunctions({ port: 0, region: 'us-east-1', lambdaEndpoint });
    client = new sfn.SFNClient(clientConfig(server.url));
  });
  afterAll(async () => {
    client.destroy();
    await server.stop();
    host.closeAllConnections();
    host.close();
  });
}

export const invoke = 'arn:aws:states:::lambda:invoke';
const waitForToken = `${invoke}.waitForTaskToken`;

/** A function of its own for one test. */
export function fn(run: (payload: unknown) => Answer | Promise<Answer>): string {
  counter += 1;
  functions.set(`function-${counter}`, run);
  return `function-${counter}`;
}

export async function createMachine(States: Record<string, unknown>, more: object = {}): Promise<string> {
  counter += 1;
  const definition = JSON.stringify({ StartAt: Object.keys(States)[0], States, ...more });
  const input = { name: `machine-${counter}`, definition, roleArn: 'arn:aws:iam::000000000000:role/r' };
  return (await client.send(new sfn.CreateStateMachineCommand(input))).stateMachineArn!;
}

export async function start(stateMachineArn: string, input: unknown = {}, name?: string): Promise<string> {
  const command = new sfn.StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input), name });
  return (await client.send(command)).executionArn!;
}

export const describeExecution = (executionArn: string) =>
  client.send(new sfn.DescribeExecutionCommand({ executionArn }));

export function ended(executionArn: string): Promise<sfn.DescribeExecutionCommandOutput> {
  const look = async () => {
    const execution = await describeExecution(executionArn);
    if (execution.status === 'RUNNING') throw new Error(`${executionArn} still runs`);
    return execution;
  };
  return vi.waitFor(look, { timeout: 8000, interval: 30 });
}

/** Runs a machine to its end: its output, or its status, error and cause. */
export async function run(States: Record<string, unknown>, input: unknown = {}, more: object = {}): Promise<unknown> {
  const execution = await ended(await start(await createMachine(States, more), input));
  return execution.status === 'SUCCEEDED'
    ? JSON.parse(execution.output ?? 'null')
    : [execution.status, execution.error, execution.cause];
}

export const success = (taskToken: string, output: unknown = {}) =>
  client.send(new sfn.SendTaskSuccessCommand({ taskToken, output: JSON.stringify(output) }));

/** A function that keeps the tokens it is given, and a machine's state that waits for one. */
export function tokenTask(more: object = {}) {
  const tokens: string[] = [];
  const FunctionName = fn((payload) => {
    tokens.push((payload as { token: string }).token);
    return { result: null };
  });
  const state = {
    Type: 'Task',
    Resource: waitForToken,
    Parameters: { FunctionName, Payload: { 'token.$': '$$.Task.Token' } },
    End: true,
    ...more,
  };
  const nextToken = (index = 0) =>
    vi.waitFor(() => {
      expect(tokens.length).toBeGreaterThan(index);
      return tokens[index]!;
    });
  return { state, tokens, nextToken };
}
