/**
 * The alarms on a fleet's task queues, generated from `fleets.yml`.
 *
 * *Age* is the oldest waiting task. It misses poison: SQS leaves a message that was received three times or more out of
 * that metric. *Stalled* sees those too: tasks wait while not one is being worked on, whatever keeps the machines away
 * (no capacity, a broken bootstrap, a crash on every attempt). What is received over and over ends in `DeadLettersAlarm`.
 */
import { PRIORITIES } from '../core/ids.ts';
import type { CloudFormationResource, CloudFormationResources } from './cloudformation.ts';
import { fleetLogicalName, taskQueueLogicalId } from './task-queues.ts';

export interface FleetAlarmLimits {
  /** Above this the oldest task of a fleet has waited too long. A backlog may be long by choice, so this is generous. */
  readonly oldestTaskSeconds: number;
  /** Tasks may wait for so long with nobody at work: longer than a first machine takes to boot. */
  readonly stalledMinutes: number;
}

const PERIOD_SECONDS = 300;

export function fleetAlarmResources(
  fleets: readonly string[],
  stage: string,
  limits: FleetAlarmLimits,
): CloudFormationResources {
  return Object.fromEntries(
    fleets.flatMap((fleet) => [
      [`TaskAgeAlarm${fleetLogicalName(fleet)}`, ageAlarm(fleet, stage, limits)],
      [`StalledAlarm${fleetLogicalName(fleet)}`, stalledAlarm(fleet, stage, limits)],
    ]),
  );
}

function ageAlarm(fleet: string, stage: string, { oldestTaskSeconds }: FleetAlarmLimits): CloudFormationResource {
  const ages = queueMetrics(fleet, 'age', 'ApproximateAgeOfOldestMessage');
  return alarm({
    AlarmName: `shoal-task-age-${fleet}-${stage}`,
    AlarmDescription: `The oldest task of the fleet ${fleet} waits for too long. The fleet's last plan says why it has no more machines.`,
    EvaluationPeriods: 1,
    Threshold: oldestTaskSeconds,
    Metrics: [{ Id: 'oldest', Expression: `MAX([${filled(ages)}])`, Label: 'oldest task', ReturnData: true }, ...ages],
  });
}

function stalledAlarm(fleet: string, stage: string, { stalledMinutes }: FleetAlarmLimits): CloudFormationResource {
  const waiting = queueMetrics(fleet, 'waiting', 'ApproximateNumberOfMessagesVisible');
  const leased = queueMetrics(fleet, 'leased', 'ApproximateNumberOfMessagesNotVisible');
  return alarm({
    AlarmName: `shoal-stalled-${fleet}-${stage}`,
    AlarmDescription: `Tasks of the fleet ${fleet} wait and nobody works on any. The fleet's last plan and its instances say why.`,
    EvaluationPeriods: Math.ceil((stalledMinutes * 60) / PERIOD_SECONDS),
    Threshold: 0,
    Metrics: [
      {
        Id: 'stalled',
        Expression: `IF(SUM([${filled(leased)}]) == 0, SUM([${filled(waiting)}]), 0)`,
        Label: 'waiting while nobody works',
        ReturnData: true,
      },
      ...waiting,
      ...leased,
    ],
  });
}

/** One metric of the fleet's three queues, as inputs of an expression. */
const queueMetrics = (fleet: string, prefix: string, metricName: string) =>
  PRIORITIES.map((priority) => ({
    Id: `${prefix}_${priority}`,
    ReturnData: false,
    MetricStat: {
      Metric: {
        Namespace: 'AWS/SQS',
        MetricName: metricName,
        Dimensions: [
          { Name: 'QueueName', Value: { 'Fn::GetAtt': [taskQueueLogicalId(fleet, priority), 'QueueName'] } },
        ],
      },
      Period: PERIOD_SECONDS,
      Stat: 'Maximum',
    },
  }));

/** SQS sends no metrics for a queue that was idle for six hours: to the expression that must be zero, not unknown. */
const filled = (metrics: readonly { readonly Id: string }[]): string =>
  metrics.map(({ Id }) => `FILL(${Id}, 0)`).join(', ');

const alarm = (properties: Readonly<Record<string, unknown>>): CloudFormationResource => ({
  Type: 'AWS::CloudWatch::Alarm',
  Properties: {
    ComparisonOperator: 'GreaterThanThreshold',
    TreatMissingData: 'notBreaching',
    AlarmActions: [{ Ref: 'AlarmTopic' }],
    OKActions: [{ Ref: 'AlarmTopic' }],
    ...properties,
  },
});
