import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StackTemplate } from '../template.ts';
import { rateSeconds, schedulesOf, startTicker } from './ticker.ts';

describe('a schedule', () => {
  it('is read from a rule that has a rate', () => {
    const Targets = [{ Arn: 'arn:run', Id: 'a', Input: '{"k":1}' }];
    const rule = (properties: object) => ({ Type: 'AWS::Events::Rule', Properties: { Targets, ...properties } });
    const Resources = {
      On: rule({ ScheduleExpression: 'rate(1 minute)', State: 'ENABLED' }),
      Off: rule({ ScheduleExpression: 'rate(1 minute)', State: 'DISABLED' }),
      Pattern: rule({ EventPattern: {} }),
    };
    const stack = new StackTemplate({ Resources }, { queueUrlPrefix: '' });
    expect(schedulesOf(stack)).toEqual([
      { ruleName: 'On', functionArn: 'arn:run', everySeconds: 60, input: '{"k":1}' },
    ]);
  });

  it('is a rate, or it is refused', () => {
    expect(rateSeconds('rate(2 hours)')).toBe(7_200);
    expect(() => rateSeconds('cron(0 0 * * ? *)')).toThrow('understands only rates');
  });
});

describe('a ticker', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const schedule = { ruleName: 'r', functionArn: 'arn:run', everySeconds: 60, input: undefined };

  it('ticks faster here than the rule says, with the event of EventBridge', async () => {
    const invoke = vi.fn(async (_arn: string, _event: string) => undefined);
    const ticker = startTicker([schedule], 5, invoke);
    await vi.advanceTimersByTimeAsync(15_000);
    ticker.stop();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(invoke).toHaveBeenCalledTimes(3);
    expect(JSON.parse(invoke.mock.calls[0]?.[1] ?? '')).toMatchObject({ 'detail-type': 'Scheduled Event' });
  });

  it('leaves out a tick that falls into the run before', async () => {
    const invoke = vi.fn(() => new Promise((resolve) => setTimeout(resolve, 7_000)));
    const ticker = startTicker([schedule], 5, invoke);
    await vi.advanceTimersByTimeAsync(16_000);
    ticker.stop();
    expect(invoke).toHaveBeenCalledTimes(2);
  });
});
