import { createServer } from 'node:http';
import * as sfn from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startStepFunctions } from '../../../local/emulators/step-functions/start-step-functions.ts';
import { clientConfig } from './client-config.ts';

/** What a function of these tests does: answer, fail with its own error, or fail as the Lambda service itself. */
type Answer = { result: unknown } | { functionError: { errorType: string; errorMessage: string } } | { status: number };

const functions = new Map<string, (payload: unknown) => Answer | Promise<Answer>>();
let host: ReturnType<typeof createServer>;
let server: Awaited<ReturnType<typeof startStepFunctions>>;
let client: sfn.SFNClient;
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

beforeAll(async () => {
  host = createHost();
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
  const address = host.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  server = await startStepFunctions({ port: 0, region: 'us-east-1', lambdaEndpoint: `http://127.0.0.1:${port}` });
  client = new sfn.SFNClient(clientConfig(server.url));
});
afterAll(async () => {
  client.destroy();
  await server.stop();
  host.closeAllConnections();
  host.close();
});

const invoke = 'arn:aws:states:::lambda:invoke';
const waitForToken = `${invoke}.waitForTaskToken`;

/** A function of its own for one test. */
function fn(run: (payload: unknown) => Answer | Promise<Answer>): string {
  counter += 1;
  functions.set(`function-${counter}`, run);
  return `function-${counter}`;
}

async function createMachine(States: Record<string, unknown>, more: object = {}): Promise<string> {
  counter += 1;
  const definition = JSON.stringify({ StartAt: Object.keys(States)[0], States, ...more });
  const input = { name: `machine-${counter}`, definition, roleArn: 'arn:aws:iam::000000000000:role/r' };
  return (await client.send(new sfn.CreateStateMachineCommand(input))).stateMachineArn!;
}

async function start(stateMachineArn: string, input: unknown = {}, name?: string): Promise<string> {
  const command = new sfn.StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input), name });
  return (await client.send(command)).executionArn!;
}

const describeExecution = (executionArn: string) => client.send(new sfn.DescribeExecutionCommand({ executionArn }));

function ended(executionArn: string): Promise<sfn.DescribeExecutionCommandOutput> {
  const look = async () => {
    const execution = await describeExecution(executionArn);
    if (execution.status === 'RUNNING') throw new Error(`${executionArn} still runs`);
    return execution;
  };
  return vi.waitFor(look, { timeout: 8000, interval: 30 });
}

/** Runs a machine to its end: its output, or its status, error and cause. */
async function run(States: Record<string, unknown>, input: unknown = {}, more: object = {}): Promise<unknown> {
  const execution = await ended(await start(await createMachine(States, more), input));
  return execution.status === 'SUCCEEDED'
    ? JSON.parse(execution.output ?? 'null')
    : [execution.status, execution.error, execution.cause];
}

const success = (taskToken: string, output: unknown = {}) =>
  client.send(new sfn.SendTaskSuccessCommand({ taskToken, output: JSON.stringify(output) }));

/** A function that keeps the tokens it is given, and a machine's state that waits for one. */
function tokenTask(more: object = {}) {
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

describe.concurrent('Step Functions executions', () => {
  it('invoke functions by service integration and by plain ARN', async () => {
    const double = fn((payload) => ({ result: (payload as { n: number }).n * 2 }));
    const output = await run(
      {
        First: {
          Type: 'Task',
          Resource: invoke,
          Parameters: { FunctionName: `arn:aws:lambda:us-east-1:000000000000:function:${double}`, 'Payload.$': '$' },
          ResultPath: '$.first',
          Next: 'Second',
        },
        Second: {
          Type: 'Task',
          Resource: `arn:aws:lambda:us-east-1:000000000000:function:${double}`,
          ResultPath: '$.second',
          End: true,
        },
      },
      { n: 21 },
    );
    expect(output).toEqual({ n: 21, first: { StatusCode: 200, ExecutedVersion: '$LATEST', Payload: 42 }, second: 42 });
  });

  it('see their name, id and input in the context object, inside of iterations too', async () => {
    const machine = await createMachine({
      Each: {
        Type: 'Map',
        ItemsPath: '$.items',
        ItemSelector: { 'index.$': '$$.Map.Item.Index', 'all.$': '$.items' },
        ItemProcessor: {
          StartAt: 'Tell',
          States: {
            Tell: {
              Type: 'Pass',
              Parameters: {
                'value.$': '$$.Map.Item.Value',
                'index.$': '$.index',
                'name.$': '$$.Execution.Name',
                'id.$': '$$.Execution.Id',
                'first.$': '$$.Execution.Input.items[0]',
              },
              End: true,
            },
          },
        },
        End: true,
      },
    });
    const id = await start(machine, { items: ['a', 'b'] }, 'named');
    const output = JSON.parse((await ended(id)).output ?? '');
    expect(id).toMatch(/:execution:machine-\d+:named$/);
    expect(output).toEqual([
      { value: 'a', index: 0, name: 'named', id, first: 'a' },
      { value: 'b', index: 1, name: 'named', id, first: 'a' },
    ]);
  });

  it('start once for one name and input while they run, and refuse the name otherwise', async () => {
    const { state, nextToken } = tokenTask();
    const machine = await createMachine({ Wait: state });
    const first = await start(machine, { a: 1 }, 'same');
    expect(await start(machine, { a: 1 }, 'same')).toBe(first);
    await expect(start(machine, { a: 2 }, 'same')).rejects.toBeInstanceOf(sfn.ExecutionAlreadyExists);
    await success(await nextToken());
    await ended(first);
    await expect(start(machine, { a: 1 }, 'same')).rejects.toBeInstanceOf(sfn.ExecutionAlreadyExists);
  });

  it('surface a function error under its own name, for Retry and Catch to match', async () => {
    let attempts = 0;
    const flaky = fn(() => {
      attempts += 1;
      return attempts < 3 ? { functionError: { errorType: 'Flaky', errorMessage: 'again' } } : { result: attempts };
    });
    const task = {
      Type: 'Task',
      Resource: invoke,
      Parameters: { FunctionName: flaky },
      OutputPath: '$.Payload',
      End: true,
    };
    const Retry = [
      { ErrorEquals: ['Flaky'], IntervalSeconds: 1, MaxDelaySeconds: 1, JitterStrategy: 'FULL', MaxAttempts: 2 },
    ];
    expect(await run({ Task: { ...task, Retry } })).toBe(3);

    const broken = fn(() => ({ functionError: { errorType: 'Broken', errorMessage: 'no' } }));
    const failing = { ...task, Parameters: { FunctionName: broken } };
    const Catch = [
      { ErrorEquals: ['Other'], Next: 'Wrong' },
      { ErrorEquals: ['Broken'], ResultPath: '$.error', Next: 'Caught' },
    ];
    const states = { Task: { ...failing, Catch }, Wrong: { Type: 'Fail' }, Caught: { Type: 'Pass', End: true } };
    const cause = JSON.stringify({ errorType: 'Broken', errorMessage: 'no' });
    expect(await run(states, { kept: 1 })).toEqual({ kept: 1, error: { Error: 'Broken', Cause: cause } });
    expect(await run({ Task: failing })).toEqual(['FAILED', 'Broken', cause]);
  });

  it('surface a failed call as an error of Lambda', async () => {
    const errorOf = async (FunctionName: string) =>
      (
        (await run({ Task: { Type: 'Task', Resource: invoke, Parameters: { FunctionName }, End: true } })) as string[]
      )[1];
    expect(await errorOf(fn(() => ({ status: 429 })))).toBe('Lambda.TooManyRequestsException');
    expect(await errorOf(fn(() => ({ status: 500 })))).toBe('Lambda.ServiceException');
    expect(await errorOf(fn(() => ({ status: 503 })))).toBe('Lambda.ServiceException');
  });

  it('time out a slow task, which States.TaskFailed does not match', async () => {
    const slow = fn(() => new Promise<Answer>((resolve) => setTimeout(resolve, 3000, { result: 'late' }).unref()));
    const output = await run(
      {
        Slow: {
          Type: 'Task',
          Resource: invoke,
          Parameters: { FunctionName: slow },
          TimeoutSecondsPath: '$.limit',
          Catch: [
            { ErrorEquals: ['States.TaskFailed'], Next: 'Wrong' },
            { ErrorEquals: ['States.Timeout'], ResultPath: '$.error', Next: 'Caught' },
          ],
          End: true,
        },
        Wrong: { Type: 'Fail' },
        Caught: { Type: 'Pass', OutputPath: '$.error.Error', End: true },
      },
      { limit: 1 },
    );
    expect(output).toBe('States.Timeout');
  });

  it('wait until a time, and for a number of seconds however large', async () => {
    const soon = await run(
      { Wait: { Type: 'Wait', TimestampPath: '$.at', Next: 'Zero' }, Zero: { Type: 'Wait', Seconds: 0, End: true } },
      { at: new Date(Date.now() + 50).toISOString(), kept: true },
    );
    expect(soon).toMatchObject({ kept: true });
    const far = await start(await createMachine({ Wait: { Type: 'Wait', SecondsPath: '$.s', End: true } }), {
      s: 40 * 86_400,
    });
    expect((await describeExecution(far)).status).toBe('RUNNING');
    await client.send(new sfn.StopExecutionCommand({ executionArn: far }));
  });

  it('end as timed out by the machine, and as aborted by a stop', async () => {
    const { state } = tokenTask();
    const timed = await run({ Wait: state }, {}, { TimeoutSeconds: 1 });
    expect(timed).toEqual(['TIMED_OUT', 'States.Timeout', undefined]);
    const { state: other, nextToken } = tokenTask();
    const executionArn = await start(await createMachine({ Wait: other }));
    const token = await nextToken();
    await client.send(new sfn.StopExecutionCommand({ executionArn, error: 'Cancelled', cause: 'by hand' }));
    expect(await describeExecution(executionArn)).toMatchObject({
      status: 'ABORTED',
      error: 'Cancelled',
      cause: 'by hand',
    });
    await expect(success(token)).rejects.toBeInstanceOf(sfn.TaskTimedOut);
  });

  it('limit the concurrency of a Map, and start no further item after one has failed', async () => {
    let running = 0;
    let most = 0;
    const seen: unknown[] = [];
    const FunctionName = fn(async (payload) => {
      seen.push(payload);
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 10));
      running -= 1;
      return payload === 4 ? { functionError: { errorType: 'Bad', errorMessage: '4' } } : { result: payload };
    });
    const map = (MaxConcurrency: number) => ({
      Each: {
        Type: 'Map',
        MaxConcurrency,
        ItemProcessor: {
          StartAt: 'One',
          States: {
            One: {
              Type: 'Task',
              Resource: invoke,
              Parameters: { FunctionName, 'Payload.$': '$' },
              OutputPath: '$.Payload',
              End: true,
            },
          },
        },
        Catch: [{ ErrorEquals: ['Bad'], Next: 'Caught' }],
        End: true,
      },
      Caught: { Type: 'Pass', OutputPath: '$.Error', End: true },
    });
    expect(await run(map(3), [0, 1, 2, 3, 5, 6])).toEqual([0, 1, 2, 3, 5, 6]);
    expect(most).toBe(3);
    seen.length = 0;
    expect(await run(map(1), [3, 4, 5, 6])).toBe('Bad');
    expect(seen).toEqual([3, 4]);
  });

  it('pass empty values on as they are', async () => {
    const ItemProcessor = {
      StartAt: 'Wrap',
      States: { Wrap: { Type: 'Pass', Parameters: { 'value.$': '$', in: { 'value.$': '$' } }, End: true } },
    };
    const values = [0, false, '', null];
    expect(await run({ Each: { Type: 'Map', ItemProcessor, End: true } }, values)).toEqual(
      values.map((value) => ({ value, in: { value } })),
    );
    expect(await run({ Nothing: { Type: 'Pass', Result: false, ResultPath: '$.result', End: true } })).toEqual({
      result: false,
    });
  });

  it('choose, branch in parallel and fail as ASL says', async () => {
    const states = {
      Choose: {
        Type: 'Choice',
        Choices: [{ Variable: '$.go', BooleanEquals: true, Next: 'Both' }],
        Default: 'Give up',
      },
      Both: {
        Type: 'Parallel',
        Branches: ['a', 'b'].map((Result) => ({
          StartAt: Result,
          States: { [Result]: { Type: 'Pass', Result, End: true } },
        })),
        End: true,
      },
      'Give up': { Type: 'Fail', Error: 'NoGo', Cause: 'told so' },
    };
    expect(await run(states, { go: true })).toEqual(['a', 'b']);
    expect(await run(states, { go: false })).toEqual(['FAILED', 'NoGo', 'told so']);
  });

  it('are listed by status, newest first, in pages', async () => {
    const machine = await createMachine({ Done: { Type: 'Succeed' } });
    for (const name of ['one', 'two', 'three']) await ended(await start(machine, {}, name));
    const list = (more: object) => client.send(new sfn.ListExecutionsCommand({ stateMachineArn: machine, ...more }));
    const first = await list({ maxResults: 2 });
    expect(first.executions?.map((execution) => execution.name)).toEqual(['three', 'two']);
    const rest = await list({ nextToken: first.nextToken });
    expect(rest.executions?.map((execution) => execution.name)).toEqual(['one']);
    expect((await list({ statusFilter: 'RUNNING' })).executions).toEqual([]);
    expect((await list({ statusFilter: 'SUCCEEDED' })).executions).toHaveLength(3);
  });
});

describe.concurrent('Step Functions task tokens', () => {
  it('end the state with what comes with them, once', async () => {
    const { state, nextToken } = tokenTask();
    const execution = await start(await createMachine({ Wait: state }));
    const token = await nextToken();
    expect(token.length).toBeGreaterThan(100);
    expect((await describeExecution(execution)).status).toBe('RUNNING');
    await success(token, { done: true });
    expect(JSON.parse((await ended(execution)).output ?? '')).toEqual({ done: true });
    await expect(success(token)).rejects.toBeInstanceOf(sfn.TaskTimedOut);
    await expect(success('never given out')).rejects.toBeInstanceOf(sfn.InvalidToken);
  });

  it('fail the state with the error that comes with them, and a retry gets another token', async () => {
    const Retry = [{ ErrorEquals: ['Again'], IntervalSeconds: 1, MaxDelaySeconds: 1, JitterStrategy: 'FULL' }];
    const { state, tokens, nextToken } = tokenTask({ Retry });
    const execution = await start(await createMachine({ Wait: state }));
    const fail = (taskToken: string, error: string) =>
      client.send(new sfn.SendTaskFailureCommand({ taskToken, error, cause: 'because' }));
    await fail(await nextToken(0), 'Again');
    await fail(await nextToken(1), 'Over');
    expect(await ended(execution)).toMatchObject({ status: 'FAILED', error: 'Over', cause: 'because' });
    expect(new Set(tokens).size).toBe(2);
  });

  it('are one for each item of a Map', async () => {
    const { state, tokens, nextToken } = tokenTask();
    const ItemProcessor = { StartAt: 'Wait', States: { Wait: state } };
    const execution = await start(await createMachine({ Each: { Type: 'Map', ItemProcessor, End: true } }), [1, 2, 3]);
    await nextToken(2);
    expect(new Set(tokens).size).toBe(3);
    await Promise.all(tokens.map((token) => success(token, 'done')));
    expect(JSON.parse((await ended(execution)).output ?? '')).toEqual(['done', 'done', 'done']);
  });

  it('are spent when the timeout is over', async () => {
    const { state, nextToken } = tokenTask({ TimeoutSeconds: 1 });
    const execution = await start(await createMachine({ Wait: state }));
    const token = await nextToken();
    expect(await ended(execution)).toMatchObject({ status: 'FAILED', error: 'States.Timeout' });
    await expect(success(token)).rejects.toBeInstanceOf(sfn.TaskTimedOut);
  });

  it('live as long as heartbeats come, and no longer', async () => {
    const { state, nextToken } = tokenTask({ HeartbeatSeconds: 1 });
    const startedAt = performance.now();
    const execution = await start(await createMachine({ Wait: state }));
    const taskToken = await nextToken();
    const beat = () => client.send(new sfn.SendTaskHeartbeatCommand({ taskToken }));
    for (let beats = 0; beats < 6; beats += 1) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      await beat();
    }
    expect((await describeExecution(execution)).status).toBe('RUNNING');
    expect(await ended(execution)).toMatchObject({ status: 'FAILED', error: 'States.Timeout' });
    expect(performance.now() - startedAt).toBeGreaterThan(2400);
    await expect(beat()).rejects.toBeInstanceOf(sfn.TaskTimedOut);
  });

  it('fail at once when the function that should keep them cannot be invoked', async () => {
    const { state } = tokenTask();
    const Parameters = { FunctionName: 'absent', Payload: { 'token.$': '$$.Task.Token' } };
    expect(await run({ Wait: { ...state, Parameters } })).toMatchObject([
      'FAILED',
      expect.stringMatching(/^Lambda\./),
      expect.anything(),
    ]);
  });
});

describe('Step Functions machines', () => {
  it('are made once for one definition, changed, described and listed', async () => {
    const definition = (Comment: string) =>
      JSON.stringify({ Comment, StartAt: 'End', States: { End: { Type: 'Succeed' } } });
    const create = (text: string) =>
      client.send(
        new sfn.CreateStateMachineCommand({ name: 'jobs', definition: text, roleArn: 'arn:aws:iam::0:role/r' }),
      );
    const { stateMachineArn } = await create(definition('one'));
    expect((await create(definition('one'))).stateMachineArn).toBe(stateMachineArn);
    await expect(create(definition('two'))).rejects.toBeInstanceOf(sfn.StateMachineAlreadyExists);
    await client.send(new sfn.UpdateStateMachineCommand({ stateMachineArn, definition: definition('two') }));
    const described = await client.send(new sfn.DescribeStateMachineCommand({ stateMachineArn }));
    expect(described).toMatchObject({ definition: definition('two'), name: 'jobs', type: 'STANDARD' });
    const { stateMachines } = await client.send(new sfn.ListStateMachinesCommand({}));
    expect(stateMachines?.map((machine) => machine.name)).toContain('jobs');
    await client.send(new sfn.DeleteStateMachineCommand({ stateMachineArn }));
    await expect(start(stateMachineArn!)).rejects.toBeInstanceOf(sfn.StateMachineDoesNotExist);
  });

  it('are refused when they are not ASL, or use what is not emulated', async () => {
    await expect(createMachine({ Bad: { Type: 'Nonsense' } })).rejects.toBeInstanceOf(sfn.InvalidDefinition);
    const foreign = { Type: 'Task', Resource: 'arn:aws:states:::sqs:sendMessage', Parameters: {}, End: true };
    await expect(createMachine({ Foreign: foreign })).rejects.toThrow(/not emulated/);
    await expect(describeExecution('arn:aws:states:us-east-1:0:execution:a:b')).rejects.toBeInstanceOf(
      sfn.ExecutionDoesNotExist,
    );
  });
});
