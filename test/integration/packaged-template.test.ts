// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of CloudFormation and of the framework, not of this language.
/** What a deployment would create, read from the packaged template. Numbers such as (42) name rows of the failure catalogue. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { StateMachine } from 'aws-local-stepfunctions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { PRIORITIES, taskQueueName } from '../../core/ids.ts';
import { referencesIn } from '../../plugins/tidy.ts';
import { taskQueueLogicalId } from '../../resources/task-queues.ts';
import { type PackagedStack, packageStack, type Resource, type Statement } from './packaged-stack.ts';

const FUNCTIONS = ['submit', 'cancel', 'query', 'status-consumer', 'scaler', 'job-steps'];
const FLEETS = Object.keys(parse(readFileSync('fleets.yml', 'utf8')).fleets);
const MEGABYTE = 1024 * 1024;

/** Actions that AWS grants on no narrower resource than `*`. */
const WITHOUT_RESOURCES = [
  'xray:PutTraceSegments',
  'xray:PutTelemetryRecords',
  // How Step Functions sets up the delivery of its logs.
  'logs:CreateLogDelivery',
  'logs:GetLogDelivery',
  'logs:UpdateLogDelivery',
  'logs:DeleteLogDelivery',
  'logs:ListLogDeliveries',
  'logs:PutResourcePolicy',
  'logs:DescribeResourcePolicies',
  'logs:DescribeLogGroups',
];

let stack: PackagedStack;

beforeAll(async () => {
  stack = await packageStack();
});

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

const ofType = (type: string): [string, Resource][] =>
  Object.entries(stack.resources).filter(([, resource]) => resource.Type === type);

const get = (logicalId: string): Resource => {
  const resource = stack.resources[logicalId];
  if (!resource) throw new Error(`the template has no ${logicalId}`);
  return resource;
};

const functionNamed = (name: string): Resource => {
  const found = ofType('AWS::Lambda::Function').find(
    ([, { Properties }]) => Properties.FunctionName === `shoal-test-${name}`,
  );
  if (!found) throw new Error(`the template has no function ${name}`);
  return found[1];
};

const statementsOf = (role: Resource): Statement[] =>
  role.Properties.Policies.flatMap(
    ({ PolicyDocument }: { PolicyDocument: { Statement: Statement[] } }) => PolicyDocument.Statement,
  );

const roleIdOf = (name: string): string => functionNamed(name).Properties.Role['Fn::GetAtt'][0];
const actionsOf = ({ Action }: Statement): string[] => [Action].flat();
const resourcesOf = ({ Resource }: Statement): unknown[] => [Resource].flat();

/** All resources on which a role may do an action. */
const grantedOn = (roleId: string, action: string): unknown[] =>
  statementsOf(get(roleId))
    .filter((statement) => actionsOf(statement).includes(action))
    .flatMap(resourcesOf);

describe('roles', () => {
  it('gives every function a role of its own, and leaves no shared one (42)', () => {
    const roles = FUNCTIONS.map(roleIdOf);

    expect(new Set(roles).size).toBe(FUNCTIONS.length);
    expect(stack.resources).not.toHaveProperty('IamRoleLambdaExecution');
    expect(ofType('AWS::Lambda::Function')).toHaveLength(FUNCTIONS.length);
  });

  it.each(FUNCTIONS)('lets %s send traces', (name) => {
    expect(functionNamed(name).Properties.TracingConfig).toEqual({ Mode: 'Active' });
    expect(grantedOn(roleIdOf(name), 'xray:PutTraceSegments')).toEqual(['*']);
  });

  it('allows an action on every resource only where AWS knows nothing narrower', () => {
    const unbounded = ofType('AWS::IAM::Role')
      .flatMap(([, role]) => statementsOf(role))
      .filter((statement) => resourcesOf(statement).includes('*'));

    expect(unbounded).not.toHaveLength(0);
    for (const action of unbounded.flatMap(actionsOf)) expect(WITHOUT_RESOURCES).toContain(action);
  });

  it('allows no action by wildcard', () => {
    const actions = ofType('AWS::IAM::Role')
      .flatMap(([, role]) => statementsOf(role))
      .flatMap(actionsOf);

    expect(actions.filter((action) => action.includes('*'))).toEqual([]);
  });

  it.each(FUNCTIONS)('lets %s reach exactly the tables that its environment names', (name) => {
    const tables = {
      JOBS_TABLE: 'JobsTable',
      TASKS_TABLE: 'TasksTable',
      FLEETS_TABLE: 'FleetsTable',
      KEYS_TABLE: 'KeysTable',
    };
    const environment = functionNamed(name).Properties.Environment.Variables;

    const named = Object.entries(tables).filter(([variable]) => variable in environment);
    const reached = referencesIn(statementsOf(get(roleIdOf(name))).map(resourcesOf));

    for (const [variable, table] of named) expect(environment[variable]).toBe(get(table).Properties.TableName);
    expect(Object.values(tables).filter((table) => reached.has(table))).toEqual(named.map(([, table]) => table));
  });

  it.each(FUNCTIONS)('lets %s tell an absent object from a forbidden one wherever it reads the bucket', (name) => {
    const reads = grantedOn(roleIdOf(name), 's3:GetObject').length > 0;

    expect(grantedOn(roleIdOf(name), 's3:ListBucket')).toHaveLength(reads ? 1 : 0);
  });

  it('lets the state machine invoke job-steps and nothing else', () => {
    const invoked = JSON.stringify(grantedOn('JobStateMachineRole', 'lambda:InvokeFunction'));

    expect(invoked.match(/function:[^"]*/g)).toEqual([
      'function:shoal-test-job-steps',
      'function:shoal-test-job-steps:*',
    ]);
    expect(
      statementsOf(get('JobStateMachineRole'))
        .flatMap(actionsOf)
        .filter((action) => !action.startsWith('logs:')),
    ).toEqual(['lambda:InvokeFunction']);
  });

  it('gives a machine its queues and its part of the bucket, and no table', () => {
    const granted = statementsOf(get('WorkerRole')).flatMap((statement) =>
      actionsOf(statement).flatMap((action) =>
        resourcesOf(statement).map((resource) => `${action} ${nameOf(resource)}`),
      ),
    );

    expect(granted.sort()).toEqual([
      's3:GetObject artifacts/*',
      's3:GetObject control/*',
      's3:GetObject jobs/*/checkpoints/*',
      's3:GetObject jobs/*/inputs/*',
      's3:ListBucket DataBucket',
      's3:PutObject jobs/*/checkpoints/*',
      's3:PutObject jobs/*/logs/*',
      's3:PutObject jobs/*/results/*',
      'sqs:ChangeMessageVisibility shoal-tasks-*-test',
      'sqs:DeleteMessage shoal-tasks-*-test',
      'sqs:ReceiveMessage shoal-tasks-*-test',
      'sqs:SendMessage StatusQueue',
    ]);
    expect(get('WorkerInstanceProfile').Properties.Roles).toEqual([{ Ref: 'WorkerRole' }]);
  });

  /** The telling part of an ARN: a key in the bucket, a queue's name, a logical id. */
  function nameOf(resource: unknown): string {
    const arn = resource as { 'Fn::Sub'?: string; 'Fn::GetAtt'?: [string, string] };
    return arn['Fn::GetAtt']?.[0] ?? arn['Fn::Sub']?.replace('${DataBucket.Arn}/', '').replace(/^arn:.*:/, '') ?? '';
  }
});

describe('queues', () => {
  const DEAD = ['DeadLetterQueue', 'StatusDeadQueue'];

  it('exist for every fleet and priority', () => {
    for (const fleet of FLEETS) {
      for (const priority of PRIORITIES) {
        const { Properties } = get(taskQueueLogicalId(fleet, priority));
        expect(Properties.QueueName).toBe(taskQueueName(fleet, priority, 'test'));
        expect(Properties.RedrivePolicy.deadLetterTargetArn).toEqual({ 'Fn::GetAtt': ['DeadLetterQueue', 'Arn'] });
      }
    }
    expect(ofType('AWS::SQS::Queue')).toHaveLength(FLEETS.length * PRIORITIES.length + 1 + DEAD.length);
  });

  it('hand on what is received ten times, except the dead ones; encrypt, keep everything for 14 days, and want TLS', () => {
    const guarded = referencesIn(ofType('AWS::SQS::QueuePolicy').map(([, { Properties }]) => Properties.Queues));

    for (const [logicalId, { Properties }] of ofType('AWS::SQS::Queue')) {
      expect(Properties.RedrivePolicy?.maxReceiveCount, logicalId).toBe(DEAD.includes(logicalId) ? undefined : 10);
      expect(Properties.SqsManagedSseEnabled, logicalId).toBe(true);
      expect(Properties.MessageRetentionPeriod, logicalId).toBe(14 * 24 * 3600);
      expect(guarded, logicalId).toContain(logicalId);
    }
  });

  it('feed the status-consumer, which reports each failed message and is done well before one returns (4)', () => {
    const [[, mapping]] = ofType('AWS::Lambda::EventSourceMapping') as [[string, Resource]];

    expect(mapping.Properties).toMatchObject({
      EventSourceArn: { 'Fn::GetAtt': ['StatusQueue', 'Arn'] },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BatchSize: 100,
      MaximumBatchingWindowInSeconds: 1,
      ScalingConfig: { MaximumConcurrency: 10 },
    });
    expect(get('StatusQueue').Properties.VisibilityTimeout).toBeGreaterThanOrEqual(
      6 * functionNamed('status-consumer').Properties.Timeout,
    );
  });
});

describe('storage', () => {
  it('encrypts every table and can turn back the two that cannot be rebuilt', () => {
    const tables = ofType('AWS::DynamoDB::Table');

    expect(tables).toHaveLength(4);
    for (const [logicalId, { Properties }] of tables) {
      expect(Properties.SSESpecification, logicalId).toEqual({ SSEEnabled: true });
      expect(Properties.BillingMode, logicalId).toBe('PAY_PER_REQUEST');
    }
    for (const logicalId of ['JobsTable', 'TasksTable']) {
      expect(get(logicalId).Properties.PointInTimeRecoverySpecification).toEqual({ PointInTimeRecoveryEnabled: true });
    }
  });

  it('keeps the bucket encrypted, private, reached by TLS only, and free of old jobs', () => {
    const { Properties } = get('DataBucket');

    expect(Properties.BucketEncryption.ServerSideEncryptionConfiguration).toHaveLength(1);
    expect(Object.values(Properties.PublicAccessBlockConfiguration)).toEqual([true, true, true, true]);
    expect(Properties.LifecycleConfiguration.Rules).toContainEqual(
      expect.objectContaining({ Prefix: 'jobs/', ExpirationInDays: 90, Status: 'Enabled' }),
    );
    expect(get('DataBucketPolicy').Properties.PolicyDocument.Statement[0]).toMatchObject({
      Effect: 'Deny',
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    });
  });

  it('forgets every log after a while', () => {
    const groups = ofType('AWS::Logs::LogGroup');

    // One a function, one for the API, one for the state machine.
    expect(groups).toHaveLength(FUNCTIONS.length + 2);
    for (const [logicalId, { Properties }] of groups) expect(Properties.RetentionInDays, logicalId).toBe(14);
  });
});

describe('functions', () => {
  it.each(FUNCTIONS)('packages %s small, as an ES module, with the fleets at its root', async (name) => {
    const files = await stack.filesOf(name);
    const handler = files[`functions/${name}/handler.mjs`];

    expect(functionNamed(name).Properties.Handler).toBe(`functions/${name}/handler.handler`);
    expect(handler?.byteLength).toBeLessThan(2 * MEGABYTE);
    expect(new TextDecoder().decode(files['fleets.yml'])).toBe(readFileSync('fleets.yml', 'utf8'));
    expect(Object.keys(files).filter((file) => file.startsWith('node_modules/'))).toEqual([]);
  });

  it('answers these routes, and every other one itself', () => {
    const routes = ofType('AWS::ApiGatewayV2::Route').map(([, { Properties }]) => Properties.RouteKey);

    expect(routes.sort()).toEqual([
      '$default',
      'DELETE /v1/jobs/{jobId}',
      'GET /health',
      'GET /v1/fleets',
      'GET /v1/fleets/{fleet}',
      'GET /v1/instances',
      'GET /v1/jobs',
      'GET /v1/jobs/{jobId}',
      'GET /v1/jobs/{jobId}/results',
      'GET /v1/jobs/{jobId}/tasks',
      'GET /v1/tasks/{taskId}',
      'POST /v1/jobs',
    ]);
  });

  it('runs the scaler every minute, one at a time, and drops wake-ups that came too late (25)', () => {
    expect(functionNamed('scaler').Properties.ReservedConcurrentExecutions).toBe(1);
    expect(get('ScalerEventsRuleSchedule1').Properties.ScheduleExpression).toBe('rate(1 minute)');
    expect(get('ScalerLambdaEvConf').Properties).toMatchObject({
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
    const watched = ofType('AWS::CloudWatch::Alarm')
      .flatMap(([, alarm]) => metricsOf(alarm))
      .filter(({ Namespace }) => Namespace === 'AWS/SQS')
      .map(({ Dimensions }) => Dimensions[0].Value['Fn::GetAtt'][0]);

    expect([...new Set(watched)].sort()).toEqual(
      ofType('AWS::SQS::Queue')
        .map(([logicalId]) => logicalId)
        .sort(),
    );
  });

  it('watch the functions and the state machine that nobody else would miss, and failed jobs', () => {
    const watched = ofType('AWS::CloudWatch::Alarm')
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
      'Shoal JobsFailed job-steps',
    ]);
    for (const logicalId of ['ScalerLambdaFunction', 'StatusDashconsumerLambdaFunction', 'JobStateMachine'])
      get(logicalId);
  });

  it('tell somebody', () => {
    for (const [logicalId, { Properties }] of ofType('AWS::CloudWatch::Alarm')) {
      expect(Properties.AlarmActions, logicalId).toEqual([{ Ref: 'AlarmTopic' }]);
      expect(Properties.TreatMissingData, logicalId).toBe('notBreaching');
    }
  });
});

describe('the state machine', () => {
  it('is one that the local run can interpret, and calls job-steps in every task', () => {
    const { StateMachineName, StateMachineType, DefinitionString } = get('JobStateMachine').Properties;
    const definition = JSON.parse(DefinitionString);

    expect({ StateMachineName, StateMachineType }).toEqual({
      StateMachineName: 'shoal-job-test',
      StateMachineType: 'STANDARD',
    });
    expect(() => new StateMachine(definition)).not.toThrow();
    expect(new Set(DefinitionString.match(/"FunctionName": ?"[^"]*"/g))).toEqual(
      new Set([`"FunctionName": "${functionNamed('job-steps').Properties.FunctionName}"`]),
    );
  });
});

describe('the template', () => {
  const hasLinter = spawnSync('cfn-lint', ['--version']).status === 0;

  it.skipIf(!hasLinter)('passes cfn-lint (skipped where that is not installed)', () => {
    expect(() => execFileSync('cfn-lint', [stack.templatePath], { encoding: 'utf8' })).not.toThrow();
  });
});
