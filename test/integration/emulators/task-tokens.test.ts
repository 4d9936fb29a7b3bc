import * as sfn from '@aws-sdk/client-sfn';
import { describe, expect, it } from 'vitest';
import {
  client,
  createMachine,
  describeExecution,
  ended,
  run,
  start,
  success,
  tokenTask,
  useStepFunctions,
} from './step-functions-fixture.ts';

useStepFunctions();

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
