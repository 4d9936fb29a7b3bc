/** Looks at the stack on AWS: who asks, what is deployed, whether machines could be launched. */
import { DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { GetOutboundWebIdentityFederationInfoCommand } from '@aws-sdk/client-iam';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import { awsCodeOf } from '../../adapters/aws/aws-errors.ts';
import { checkLaunches } from '../../adapters/aws/ec2-launch-check.ts';
import type { Fleet } from '../../core/fleet.ts';
import { PRIORITIES, taskQueueName } from '../../core/ids.ts';
import type { AwsClients } from './aws-clients.ts';
import { checkConcurrency, checkVcpus } from './aws-quotas.ts';
import { type Finding, failed, ok, skipped } from './finding.ts';
import type { Check } from './run-checks.ts';
import { deployedFunction } from './stack.ts';

export interface AwsChecksOptions {
  readonly clients: AwsClients;
  readonly stage: string;
  readonly region: string;
  readonly fleets: readonly Fleet[];
}

export type Deployment = Pick<AwsChecksOptions, 'stage' | 'region'>;

export const deployCommand = ({ stage, region }: Deployment): string =>
  `npx sls deploy --stage ${stage} --region ${region}`;

export const awsChecks = (options: AwsChecksOptions): readonly Check[] => [
  { what: 'queues on AWS', run: () => checkQueues(options) },
  { what: 'tables', run: () => checkTables(options) },
  { what: 'functions, bucket', run: () => checkFunctions(options) },
  { what: 'launches on EC2', run: () => checkMachines(options) },
  { what: 'EC2: quotas', run: () => checkVcpus(options) },
  { what: 'Lambda concurrency', run: () => checkConcurrency(options) },
];

async function checkQueues({ clients: { sqs }, stage, region, fleets }: AwsChecksOptions): Promise<Finding> {
  const own = ['status', 'status-dead', 'delayed', 'dead-letters'].map((name) => `shoal-${name}-${stage}`);
  const ofFleets = fleets.flatMap(({ name }) => PRIORITIES.map((priority) => taskQueueName(name, priority, stage)));
  const names = [...own, ...ofFleets];
  const missing = await missingOf(names, (QueueName) => sqs.send(new GetQueueUrlCommand({ QueueName })));
  return presence('queues on AWS', names, missing, deployCommand({ stage, region }));
}

async function checkTables({ clients: { dynamodb }, stage, region }: AwsChecksOptions): Promise<Finding> {
  const names = ['jobs', 'tasks', 'fleets', 'keys'].map((name) => `shoal-${name}-${stage}`);
  const missing = await missingOf(names, (TableName) => dynamodb.send(new DescribeTableCommand({ TableName })));
  return presence('tables', names, missing, deployCommand({ stage, region }));
}

const ABSENT: ReadonlySet<string> = new Set([
  'QueueDoesNotExist',
  'AWS.SimpleQueueService.NonExistentQueue',
  'ResourceNotFoundException',
]);

/** @throws what asking throws for any other reason */
async function missingOf(names: readonly string[], ask: (name: string) => Promise<unknown>): Promise<string[]> {
  const looked = await Promise.all(
    names.map(async (name) => {
      try {
        await ask(name);
        return [];
      } catch (error) {
        if (ABSENT.has(awsCodeOf(error))) return [name];
        throw error;
      }
    }),
  );
  return looked.flat();
}

export const presence = (what: string, names: readonly string[], missing: readonly string[], mend: string): Finding =>
  missing.length === 0
    ? ok(what, `all ${names.length} are there`)
    : failed(what, `${missing.length} of ${names.length} are missing: ${listed(missing)}`, mend);

const SHOWN = 3;

const listed = (names: readonly string[]): string =>
  [...names.slice(0, SHOWN), ...(names.length > SHOWN ? ['…'] : [])].join(', ');

async function checkFunctions({ clients: { lambda, s3 }, stage, region }: AwsChecksOptions): Promise<Finding> {
  const scaler = await deployedFunction(lambda, stage, 'scaler');
  const deploy = deployCommand({ stage, region });
  if (!scaler) {
    const nothing = `there is no shoal-${stage}-scaler in ${region}: stage ${stage} is not deployed there`;
    return failed('functions', nothing, `${deploy}, or name the stage and region where it is`);
  }
  const Bucket = scaler.environment['BUCKET'] ?? '';
  try {
    await s3.send(new HeadBucketCommand({ Bucket }));
    return ok('bucket', Bucket);
  } catch (error) {
    if (awsCodeOf(error) !== 'NotFound') throw error;
    return failed('bucket', `${Bucket} is not there`, deploy);
  }
}

async function checkMachines({ clients: { ec2, lambda }, stage, fleets }: AwsChecksOptions): Promise<Finding[]> {
  const onEc2 = fleets.filter(({ provider }) => provider === 'aws');
  if (onEc2.length === 0) return [skipped('launches on EC2', 'no fleet is on AWS')];
  const scaler = await deployedFunction(lambda, stage, 'scaler');
  if (!scaler) return [skipped('launches on EC2', 'nothing is deployed')];
  const subnetIds = (scaler.environment['SUBNET_IDS'] ?? '').split(',').filter(Boolean);
  const findings = await checkLaunches({ client: ec2, stage, subnetIds, fleets: onEc2 });
  return findings.map(({ what, ok: isOk, message: text }) => {
    const [message = '', mend] = text.split(' — ');
    const allow = message.startsWith('UnauthorizedOperation') ? ALLOW_LAUNCHES : undefined;
    return isOk ? ok(`EC2: ${what}`, message) : failed(`EC2: ${what}`, message, mend ?? allow);
  });
}

/** It is the one who looks that lacks them, not the scaler. */
const ALLOW_LAUNCHES =
  'allow your role what the scaler may (serverless.yml), or look as somebody who may: ec2:CreateFleet, ec2:RunInstances, ec2:CreateTags, ec2:DescribeSubnets, iam:PassRole';

/** Without it no function can say to another cloud who it is. */
export async function checkFederation({ iam }: AwsClients): Promise<Finding> {
  const what = 'outbound federation';
  const off = failed(what, 'the account does not tell others who its roles are', ENABLE_FEDERATION);
  try {
    const info = await iam.send(new GetOutboundWebIdentityFederationInfoCommand({}));
    return info.JwtVendingEnabled ? ok(what, `enabled, as ${info.IssuerIdentifier}`) : off;
  } catch (error) {
    if (/^FeatureDisabled/.test(awsCodeOf(error))) return off;
    throw error;
  }
}

const ENABLE_FEDERATION = 'aws iam enable-outbound-web-identity-federation';
