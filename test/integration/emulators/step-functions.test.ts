import * as sfn from '@aws-sdk/client-sfn';
import { describe, expect, it } from 'vitest';
import {
  type Answer,
  client,
  createMachine,
  describeExecution,
  ended,
  fn,
  invoke,
  run,
  start,
  success,
  tokenTask,
  useStepFunctions,
} from './step-functions-fixture.ts';

useStepFunctions();

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
                'state.$': '$$.State.Name',
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
      { value: 'a', index: 0, name: 'named', state: 'Tell', id, first: 'a' },
      { value: 'b', index: 1, name: 'named', state: 'Tell', id, first: 'a' },
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
