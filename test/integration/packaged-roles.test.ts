// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of CloudFormation, not of this language.
/** Who may do what, read from the packaged template. No emulator checks permissions: what these tests miss, only AWS finds. */
import { beforeAll, describe, expect, it } from 'vitest';
import { referencesIn } from '../../plugins/tidy.ts';
import { FUNCTIONS, type PackagedStack, packageStack, type Resource, STAGE } from './packaged-stack.ts';

interface Statement {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

/** Actions that AWS grants on no narrower resource than `*`. */
const WITHOUT_RESOURCES = [
  'xray:PutTraceSegments',
  'xray:PutTelemetryRecords',
  // EC2's lists, and those of prices.
  'ec2:DescribeAvailabilityZones',
  'ec2:DescribeInstances',
  'ec2:DescribeInstanceTypes',
  'ec2:DescribeSpotPriceHistory',
  'ec2:DescribeSubnets',
  'ec2:GetSpotPlacementScores',
  'pricing:GetProducts',
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

const statementsOf = (role: Resource): Statement[] =>
  role.Properties.Policies.flatMap(
    ({ PolicyDocument }: { PolicyDocument: { Statement: Statement[] } }) => PolicyDocument.Statement,
  );

const roleIdOf = (name: string): string => stack.functionNamed(name).Properties.Role['Fn::GetAtt'][0];
const actionsOf = ({ Action }: Statement): string[] => [Action].flat();
const resourcesOf = ({ Resource }: Statement): unknown[] => [Resource].flat();

/** All resources on which a role may do an action. */
const grantedOn = (roleId: string, action: string): unknown[] =>
  statementsOf(stack.get(roleId))
    .filter((statement) => actionsOf(statement).includes(action))
    .flatMap(resourcesOf);

describe('roles', () => {
  it('gives every function a role of its own, and leaves no shared one (42)', () => {
    const roles = FUNCTIONS.map(roleIdOf);

    expect(new Set(roles).size).toBe(FUNCTIONS.length);
    expect(stack.resources).not.toHaveProperty('IamRoleLambdaExecution');
    expect(stack.ofType('AWS::Lambda::Function')).toHaveLength(FUNCTIONS.length);
  });

  it.each(FUNCTIONS)('lets %s send traces', (name) => {
    expect(stack.functionNamed(name).Properties.TracingConfig).toEqual({ Mode: 'Active' });
    expect(grantedOn(roleIdOf(name), 'xray:PutTraceSegments')).toEqual(['*']);
  });

  it('allows an action on every resource only where AWS knows nothing narrower', () => {
    const unbounded = stack
      .ofType('AWS::IAM::Role')
      .flatMap(([, role]) => statementsOf(role))
      .filter((statement) => resourcesOf(statement).includes('*'));

    expect(unbounded).not.toHaveLength(0);
    for (const action of unbounded.flatMap(actionsOf)) expect(WITHOUT_RESOURCES).toContain(action);
  });

  it('allows no action by wildcard', () => {
    const actions = stack
      .ofType('AWS::IAM::Role')
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
    const environment = stack.functionNamed(name).Properties.Environment.Variables;

    const named = Object.entries(tables).filter(([variable]) => variable in environment);
    const reached = referencesIn(statementsOf(stack.get(roleIdOf(name))).map(resourcesOf));

    for (const [variable, table] of named) expect(environment[variable]).toBe(stack.get(table).Properties.TableName);
    expect(Object.values(tables).filter((table) => reached.has(table))).toEqual(named.map(([, table]) => table));
  });

  it.each(FUNCTIONS)('lets %s tell an absent object from a forbidden one wherever it reads the bucket', (name) => {
    const reads = grantedOn(roleIdOf(name), 's3:GetObject').length > 0;

    expect(grantedOn(roleIdOf(name), 's3:ListBucket')).toHaveLength(reads ? 1 : 0);
  });

  it('lets the scaler launch, and end, nothing but machines of this stage', () => {
    const statements = statementsOf(stack.get(roleIdOf('scaler')));
    const conditionsOn = (action: string, resource: string): unknown[] =>
      statements
        .filter((each) => actionsOf(each).includes(action) && JSON.stringify(each.Resource).includes(resource))
        .map((each) => each.Condition);

    for (const action of ['ec2:CreateFleet', 'ec2:RunInstances']) {
      expect(conditionsOn(action, ':instance/*')).toEqual([{ StringEquals: { 'aws:RequestTag/shoal:stage': STAGE } }]);
      expect(conditionsOn(action, ':launch-template/*')).toEqual([
        { StringEquals: { 'aws:ResourceTag/shoal:stage': STAGE } },
      ]);
    }
    expect(conditionsOn('ec2:TerminateInstances', '')).toEqual([
      { StringEquals: { 'aws:ResourceTag/shoal:stage': STAGE } },
    ]);
    expect(conditionsOn('ec2:CreateTags', '')).toEqual([
      { StringEquals: { 'ec2:CreateAction': ['CreateFleet', 'RunInstances'] } },
    ]);
    expect(grantedOn(roleIdOf('scaler'), 'iam:PassRole')).toEqual([{ 'Fn::GetAtt': ['WorkerRole', 'Arn'] }]);
    expect(conditionsOn('iam:PassRole', '')).toEqual([
      { StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' } },
    ]);
  });

  it('keeps every role within what IAM takes', () => {
    for (const [, role] of stack.ofType('AWS::IAM::Role')) {
      // "IAM and AWS STS quotas": 10,240 characters of inline policies, whitespace not counted. Names grow when they are resolved.
      expect(JSON.stringify(role.Properties.Policies).length).toBeLessThan(8_000);
    }
  });

  it('lets the state machine invoke job-steps and nothing else', () => {
    const invoked = JSON.stringify(grantedOn('JobStateMachineRole', 'lambda:InvokeFunction'));

    expect(invoked.match(/function:[^"]*/g)).toEqual([
      'function:shoal-test-job-steps',
      'function:shoal-test-job-steps:*',
    ]);
    expect(
      statementsOf(stack.get('JobStateMachineRole'))
        .flatMap(actionsOf)
        .filter((action) => !action.startsWith('logs:')),
    ).toEqual(['lambda:InvokeFunction']);
  });

  it('gives a machine its queues and its part of the bucket, and no table', () => {
    const granted = statementsOf(stack.get('WorkerRole')).flatMap((statement) =>
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
      'ssm:GetParameter parameter/shoal/test/credentials/*',
    ]);
    expect(stack.get('WorkerInstanceProfile').Properties.Roles).toEqual([{ Ref: 'WorkerRole' }]);
  });

  it('offers what machines may do as a policy for machines of one’s own, which knows no more', () => {
    const { ManagedPolicyName, PolicyDocument } = stack.get('WorkerPolicy').Properties;

    expect(ManagedPolicyName).toEqual({ 'Fn::Sub': 'shoal-worker-test-${AWS::Region}' });
    expect(PolicyDocument.Statement).toEqual(statementsOf(stack.get('WorkerRole')));
    // "IAM and AWS STS quotas": 6,144 characters, whitespace not counted.
    expect(JSON.stringify(PolicyDocument).length).toBeLessThan(5_000);
  });

  it('lets submit and machines, and nobody else, read the credentials of this stage', () => {
    const readers = stack
      .ofType('AWS::IAM::Role')
      .filter(([roleId]) => grantedOn(roleId, 'ssm:GetParameter').length > 0)
      .map(([roleId]) => roleId);

    expect(readers.sort()).toEqual([roleIdOf('submit'), 'WorkerRole'].sort());
    for (const roleId of readers) {
      expect(grantedOn(roleId, 'ssm:GetParameter').map(nameOf)).toEqual(['parameter/shoal/test/credentials/*']);
    }
  });

  /** The telling part of an ARN: a key in the bucket, a queue's name, a logical id. */
  function nameOf(resource: unknown): string {
    const arn = resource as { 'Fn::Sub'?: string; 'Fn::GetAtt'?: [string, string] };
    return arn['Fn::GetAtt']?.[0] ?? arn['Fn::Sub']?.replace('${DataBucket.Arn}/', '').replace(/^arn:.*:/, '') ?? '';
  }
});
