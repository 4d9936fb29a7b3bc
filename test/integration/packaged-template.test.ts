// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of CloudFormation and of the framework, not of this language.
/** What a deployment would create, read from the packaged template. Numbers such as (42) name rows of the failure catalogue. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { StateMachine } from 'aws-local-stepfunctions';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { PRIORITIES, taskQueueName } from '../../core/ids.ts';
import { referencesIn } from '../../plugins/tidy.ts';
import { taskQueueLogicalId } from '../../resources/task-queues.ts';
import { FUNCTIONS, type PackagedStack, packageStack, type Resource, STAGE } from './packaged-stack.ts';

const FLEETS = Object.keys(parse(readFileSync('fleets.yml', 'utf8')).fleets);
const MEGABYTE = 1024 * 1024;

let stack: PackagedStack;

beforeAll(async () => {
  stack = await packageStack();
});

describe('queues', () => {
  const DEAD = ['DeadLetterQueue', 'StatusDeadQueue'];

  it('exist for every fleet and priority', () => {
    for (const fleet of FLEETS) {
      for (const priority of PRIORITIES) {
        const { Properties } = stack.get(taskQueueLogicalId(fleet, priority));
        expect(Properties.QueueName).toBe(taskQueueName(fleet, priority, STAGE));
        expect(Properties.RedrivePolicy.deadLetterTargetArn).toEqual({ 'Fn::GetAtt': ['DeadLetterQueue', 'Arn'] });
      }
    }
    expect(stack.ofType('AWS::SQS::Queue')).toHaveLength(FLEETS.length * PRIORITIES.length + 2 + DEAD.length);
  });

  it('hand on what is received too often, except the dead ones; encrypt, keep everything for 14 days, and want TLS', () => {
    const guarded = referencesIn(stack.ofType('AWS::SQS::QueuePolicy').map(([, { Properties }]) => Properties.Queues));

    for (const [logicalId, { Properties }] of stack.ofType('AWS::SQS::Queue')) {
      // A report should be understood within ten receives; a delayed task is tried for as long as the queue keeps it.
      const most = logicalId === 'StatusQueue' ? 10 : 6;
      const last = [...DEAD, 'DelayedQueue'].includes(logicalId);
      expect(Properties.RedrivePolicy?.maxReceiveCount, logicalId).toBe(last ? undefined : most);
      expect(Properties.SqsManagedSseEnabled, logicalId).toBe(true);
      expect(Properties.MessageRetentionPeriod, logicalId).toBe(14 * 24 * 3600);
      expect(guarded, logicalId).toContain(logicalId);
    }
  });

  const mappingOf = (queue: string): Resource => {
    const found = stack
      .ofType('AWS::Lambda::EventSourceMapping')
      .find(([, { Properties }]) => Properties.EventSourceArn['Fn::GetAtt'][0] === queue);
    if (!found) throw new Error(`nothing reads ${queue}`);
    return found[1];
  };

  it.each([
    ['DelayedQueue', 'delayed'],
    ['DeadLetterQueue', 'dead-letter'],
  ])('feed what reads %s, which reports each failed message and is done well before one returns (4)', (queue, name) => {
    expect(mappingOf(queue).Properties.FunctionResponseTypes).toEqual(['ReportBatchItemFailures']);
    expect(stack.get(queue).Properties.VisibilityTimeout).toBeGreaterThanOrEqual(
      6 * stack.functionNamed(name).Properties.Timeout,
    );
  });

  it('feed the status-consumer, which reports each failed message and is done well before one returns (4)', () => {
    const mapping = mappingOf('StatusQueue');

    expect(mapping.Properties).toMatchObject({
      EventSourceArn: { 'Fn::GetAtt': ['StatusQueue', 'Arn'] },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BatchSize: 100,
      MaximumBatchingWindowInSeconds: 1,
      ScalingConfig: { MaximumConcurrency: 10 },
    });
    expect(stack.get('StatusQueue').Properties.VisibilityTimeout).toBeGreaterThanOrEqual(
      6 * stack.functionNamed('status-consumer').Properties.Timeout,
    );
  });
});

describe('storage', () => {
  it('encrypts every table and can turn back the two that cannot be rebuilt', () => {
    const tables = stack.ofType('AWS::DynamoDB::Table');

    expect(tables).toHaveLength(4);
    for (const [logicalId, { Properties }] of tables) {
      expect(Properties.SSESpecification, logicalId).toEqual({ SSEEnabled: true });
      expect(Properties.BillingMode, logicalId).toBe('PAY_PER_REQUEST');
    }
    for (const logicalId of ['JobsTable', 'TasksTable']) {
      expect(stack.get(logicalId).Properties.PointInTimeRecoverySpecification).toEqual({
        PointInTimeRecoveryEnabled: true,
      });
    }
  });

  it('keeps the bucket encrypted, private, reached by TLS only, and free of old jobs', () => {
    const { Properties } = stack.get('DataBucket');

    expect(Properties.BucketEncryption.ServerSideEncryptionConfiguration).toHaveLength(1);
    expect(Object.values(Properties.PublicAccessBlockConfiguration)).toEqual([true, true, true, true]);
    expect(Properties.LifecycleConfiguration.Rules).toContainEqual(
      expect.objectContaining({ Prefix: 'jobs/', ExpirationInDays: 90, Status: 'Enabled' }),
    );
    expect(stack.get('DataBucketPolicy').Properties.PolicyDocument.Statement[0]).toMatchObject({
      Effect: 'Deny',
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    });
  });

  it('forgets every log after a while', () => {
    const groups = stack.ofType('AWS::Logs::LogGroup');

    // One a function, one for the API, one for the state machine.
    expect(groups).toHaveLength(FUNCTIONS.length + 2);
    for (const [logicalId, { Properties }] of groups) expect(Properties.RetentionInDays, logicalId).toBe(14);
  });
});

describe('functions', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each(FUNCTIONS)('packages %s small, as an ES module, with the fleets at its root', async (name) => {
    const files = await stack.filesOf(name);
    const handler = files[`functions/${name}/handler.mjs`];

    expect(stack.functionNamed(name).Properties.Handler).toBe(`functions/${name}/handler.handler`);
    expect(handler?.byteLength).toBeLessThan(2 * MEGABYTE);
    expect(new TextDecoder().decode(files['fleets.yml'])).toBe(readFileSync('fleets.yml', 'utf8'));
    expect(Object.keys(files).filter((file) => file.startsWith('node_modules/'))).toEqual([]);
  });

  it.each(FUNCTIONS)('gives %s every variable that its configuration asks for', async (name) => {
    vi.resetModules();
    for (const [variable, value] of Object.entries(stack.functionNamed(name).Properties.Environment.Variables)) {
      // A reference stands for some text.
      vi.stubEnv(variable, typeof value === 'string' ? value : 'a reference');
    }
    // What Lambda itself brings.
    vi.stubEnv('AWS_REGION', 'us-east-1');
    vi.stubEnv('LAMBDA_TASK_ROOT', '/var/task');

    await expect(import(`../../functions/${name}/config.ts`)).resolves.toHaveProperty('config');
  });

  it('answers these routes, and every other one itself', () => {
    const routes = stack.ofType('AWS::ApiGatewayV2::Route').map(([, { Properties }]) => Properties.RouteKey);

    expect(routes.sort()).toEqual([
      '$default',
      'DELETE /v1/jobs/{jobId}',
      'DELETE /v1/tasks/{taskId}',
      'GET /health',
      'GET /v1/fleets',
      'GET /v1/fleets/{fleet}',
      'GET /v1/instances',
      'GET /v1/jobs',
      'GET /v1/jobs/{jobId}',
      'GET /v1/jobs/{jobId}/audit',
      'GET /v1/jobs/{jobId}/failures',
      'GET /v1/jobs/{jobId}/results',
      'GET /v1/jobs/{jobId}/tasks',
      'GET /v1/prices',
      'GET /v1/tasks/{taskId}',
      'GET /v1/tasks/{taskId}/logs',
      'PATCH /v1/jobs/{jobId}',
      'POST /v1/estimates',
      'POST /v1/jobs',
      'POST /v1/jobs/{jobId}/retry',
    ]);
  });

  it('runs the scaler every minute, one at a time, and drops wake-ups that came too late (25)', () => {
    expect(stack.functionNamed('scaler').Properties.ReservedConcurrentExecutions).toBe(1);
    expect(stack.get('ScalerEventsRuleSchedule1').Properties.ScheduleExpression).toBe('rate(1 minute)');
    expect(stack.get('ScalerLambdaEvConf').Properties).toMatchObject({
      MaximumEventAgeInSeconds: 60,
      MaximumRetryAttempts: 0,
    });
  });
});

describe('alarms', () => {
  const metricsOf = ({ Properties }: Resource) =>
    Properties.Metrics?.flatMap((entry: { MetricStat?: { Metric: unknown } }) => entry.MetricStat?.Metric ?? []) ?? [
      Properties,
    ];

  it('watch every queue, and no queue that does not exist (10)', () => {
    const watched = stack
      .ofType('AWS::CloudWatch::Alarm')
      .flatMap(([, alarm]) => metricsOf(alarm))
      .filter(({ Namespace }) => Namespace === 'AWS/SQS')
      .map(({ Dimensions }) => Dimensions[0].Value['Fn::GetAtt'][0]);

    expect([...new Set(watched)].sort()).toEqual(
      stack
        .ofType('AWS::SQS::Queue')
        .map(([logicalId]) => logicalId)
        .sort(),
    );
  });

  it('watch the functions and the state machine that nobody else would miss, and failed jobs', () => {
    const watched = stack
      .ofType('AWS::CloudWatch::Alarm')
      .flatMap(([, alarm]) => metricsOf(alarm))
      .filter(({ Namespace }) => Namespace !== 'AWS/SQS')
      .map(
        ({ Namespace, MetricName, Dimensions }) =>
          `${Namespace} ${MetricName} ${Dimensions[0].Value.Ref ?? Dimensions[0].Value}`,
      );

    expect(watched.sort()).toEqual([
      'AWS/Lambda Errors ScalerLambdaFunction',
      'AWS/Lambda Errors StatusDashconsumerLambdaFunction',
      'AWS/States ExecutionsFailed JobStateMachine',
      'Shoal DeadLettersKept dead-letter',
      'Shoal FleetsNotBooting scaler',
      'Shoal JobsFailed job-steps',
    ]);
    for (const logicalId of ['ScalerLambdaFunction', 'StatusDashconsumerLambdaFunction', 'JobStateMachine'])
      stack.get(logicalId);
  });

  it('tell somebody', () => {
    for (const [logicalId, { Properties }] of stack.ofType('AWS::CloudWatch::Alarm')) {
      expect(Properties.AlarmActions, logicalId).toEqual([{ Ref: 'AlarmTopic' }]);
      expect(Properties.TreatMissingData, logicalId).toBe('notBreaching');
    }
  });
});

describe('the state machine', () => {
  it('is one that the local run can interpret, and calls job-steps in every task', () => {
    const { StateMachineName, StateMachineType, DefinitionString } = stack.get('JobStateMachine').Properties;
    const definition = JSON.parse(DefinitionString);

    expect({ StateMachineName, StateMachineType }).toEqual({
      StateMachineName: 'shoal-job-test',
      StateMachineType: 'STANDARD',
    });
    expect(() => new StateMachine(definition)).not.toThrow();
    expect(new Set(DefinitionString.match(/"FunctionName": ?"[^"]*"/g))).toEqual(
      new Set([`"FunctionName": "${stack.functionNamed('job-steps').Properties.FunctionName}"`]),
    );
  });
});

describe('the template', () => {
  const hasLinter = spawnSync('cfn-lint', ['--version']).status === 0;

  it.skipIf(!hasLinter)('passes cfn-lint (skipped where that is not installed)', () => {
    expect(() => execFileSync('cfn-lint', [stack.templatePath], { encoding: 'utf8' })).not.toThrow();
  });
});
