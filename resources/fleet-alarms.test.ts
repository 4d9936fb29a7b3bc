import { describe, expect, it } from 'vitest';
import { fleetAlarmResources } from './fleet-alarms.ts';

const alarms = fleetAlarmResources(['gpu-large'], 'dev', { oldestTaskSeconds: 3_600, stalledMinutes: 32 });

describe('fleetAlarmResources', () => {
  it('compares the oldest task of all priorities with the limit', () => {
    expect(alarms['TaskAgeAlarmGpuLarge']?.Properties).toMatchObject({
      AlarmName: 'shoal-task-age-gpu-large-dev',
      Threshold: 3_600,
      ComparisonOperator: 'GreaterThanThreshold',
      Metrics: [
        { Expression: 'MAX([FILL(age_high, 0), FILL(age_normal, 0), FILL(age_low, 0)])', ReturnData: true },
        { Id: 'age_high', ReturnData: false },
        { Id: 'age_normal', ReturnData: false },
        { Id: 'age_low', ReturnData: false },
      ],
    });
  });

  it('sees tasks that wait while none is worked on, for at least the minutes given (lesson 10)', () => {
    expect(alarms['StalledAlarmGpuLarge']?.Properties).toMatchObject({
      EvaluationPeriods: 7,
      Threshold: 0,
      Metrics: expect.arrayContaining([
        expect.objectContaining({
          Expression:
            'IF(SUM([FILL(leased_high, 0), FILL(leased_normal, 0), FILL(leased_low, 0)]) == 0, ' +
            'SUM([FILL(waiting_high, 0), FILL(waiting_normal, 0), FILL(waiting_low, 0)]), 0)',
        }),
      ]),
    });
  });

  it('returns one value an alarm, since CloudWatch refuses more', () => {
    for (const { Properties } of Object.values(alarms)) {
      const returned = (Properties['Metrics'] as { ReturnData: boolean }[]).filter(({ ReturnData }) => ReturnData);
      expect(returned).toHaveLength(1);
    }
  });
});
