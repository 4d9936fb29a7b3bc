/** An account of AWS as the doctor sees it, at one address: everything in order until a test takes something away. */
import { cloudsSchema } from '../../../core/clouds.ts';
import { otherCloudResources } from '../../../resources/other-clouds.ts';
import { type Ec2Type, typeItem } from '../../contracts/ec2-service.ts';
import { AZURE_CLOUD, GCP_CLOUD } from '../../factories/clouds.ts';
import { systemClock } from '../../factories/manual-clock.ts';
import { stsAnswers, stsFailure } from '../identity/sts-server.ts';
import { type Recorded, type Reply, recordingServer } from '../recording-server.ts';

const STAGE = 'dev';
const FUNCTIONS = 'submit cancel amend query status-consumer delayed dead-letter scaler job-steps reaper'.split(' ');

/** What there is; tests change it. */
export interface AwsAccount {
  readonly missing: Set<string>;
  /** Of DynamoDB: operations that the caller may not use. */
  readonly denied: Set<string>;
  readonly environments: Map<string, Record<string, string>>;
  readonly roles: Map<string, unknown>;
  isKnown: boolean;
  isFederating: boolean;
  concurrency: number;
  /** Of `concurrency`, what other functions have for themselves. */
  reserved: number;
  /** Of Service Quotas, by code: what was applied to the account. AWS's default of any other is 5. */
  readonly quotas: Map<string, number>;
  mayReadQuotas: boolean;
  freeAddresses: number;
  /** What EC2 says of a dry run. */
  dryRun: string;
}

export async function awsAccount() {
  const account: AwsAccount = {
    missing: new Set(),
    denied: new Set(),
    environments: new Map(FUNCTIONS.map((name) => [name, name === 'scaler' ? SCALER : { STAGE }])),
    roles: bridgeRoles(),
    isKnown: true,
    isFederating: true,
    concurrency: 1_000,
    reserved: 1,
    quotas: new Map([['L-34B43A08', 256]]),
    mayReadQuotas: true,
    freeAddresses: 500,
    dryRun: 'DryRunOperation',
  };
  const sts = stsAnswers(systemClock);
  const server = await recordingServer((request) => {
    const target = String(request.headers['x-amz-target'] ?? '');
    if (target.startsWith('AmazonSQS.')) return ofQueues(account, request);
    if (target.startsWith('DynamoDB_')) return ofTables(account, request);
    if (target.startsWith('ServiceQuotasV20190624.')) return ofServiceQuotas(account, request);
    if (request.path.startsWith('/2015-03-31/functions/')) return ofFunctions(account, request);
    if (request.path.startsWith('/2016-08-19/account-settings')) return ofLambda(account);
    if (request.form['Version'] === '2016-11-15') return ofEc2(account, request);
    if (request.form['Version'] === '2010-05-08') return ofIam(account, request);
    if (request.method === 'HEAD') return { status: account.missing.has(request.path.replaceAll('/', '')) ? 404 : 200 };
    if (!account.isKnown) return stsFailure('ExpiredToken');
    const cannotTell = request.form['Action'] === 'GetWebIdentityToken' && !account.isFederating;
    return cannotTell ? stsFailure('OutboundWebIdentityFederationDisabledException') : sts(request);
  });
  return { ...server, account };
}

const SCALER = { STAGE, BUCKET: 'shoal-data-1a2b', SUBNET_IDS: 'subnet-1,subnet-2' };

function bridgeRoles(): Map<string, unknown> {
  const resources = otherCloudResources(cloudsSchema.parse({ gcp: GCP_CLOUD, azure: AZURE_CLOUD }), STAGE);
  const roles = Object.values(resources).filter(({ Type }) => Type === 'AWS::IAM::Role');
  return new Map(
    roles.map(({ Properties }) => [String(Properties['RoleName']), Properties['AssumeRolePolicyDocument']]),
  );
}

const bodyOf = ({ body }: Recorded): Record<string, string> => JSON.parse(body);

const jsonError = (type: string, status = 400): Reply => ({
  status,
  headers: { 'x-amzn-errortype': type },
  body: { __type: type, message: 'as told' },
});

function ofQueues({ missing }: AwsAccount, request: Recorded): Reply {
  const { QueueName = '' } = bodyOf(request);
  if (missing.has(QueueName)) return jsonError('com.amazonaws.sqs#QueueDoesNotExist');
  return { body: { QueueUrl: `http://localhost/123456789012/${QueueName}` } };
}

function ofTables({ missing, denied }: AwsAccount, request: Recorded): Reply {
  const operation = String(request.headers['x-amz-target']).split('.').at(-1) ?? '';
  if (denied.has(operation)) return jsonError('com.amazon.coral.service#AccessDeniedException');
  const { TableName = '' } = bodyOf(request);
  if (missing.has(TableName)) return jsonError('com.amazonaws.dynamodb.v20120810#ResourceNotFoundException');
  return { body: { Table: { TableName, TableStatus: 'ACTIVE' } } };
}

function ofFunctions({ environments, missing }: AwsAccount, { path }: Recorded): Reply {
  const [, name = ''] = /\/functions\/shoal-dev-([^/]+)\/configuration/.exec(path) ?? [];
  const Variables = environments.get(name);
  if (!Variables || missing.has(`shoal-dev-${name}`)) return jsonError('ResourceNotFoundException', 404);
  return { body: { FunctionName: `shoal-dev-${name}`, Environment: { Variables } } };
}

const ofLambda = ({ concurrency, reserved }: AwsAccount): Reply => ({
  body: {
    AccountLimit: { ConcurrentExecutions: concurrency, UnreservedConcurrentExecutions: concurrency - reserved },
  },
});

/** "GetServiceQuota": an error for what was never applied; "GetAWSDefaultServiceQuota". */
function ofServiceQuotas({ quotas, mayReadQuotas }: AwsAccount, request: Recorded): Reply {
  if (!mayReadQuotas) return jsonError('com.amazonaws.servicequotas#AccessDeniedException');
  const { QuotaCode = '' } = bodyOf(request);
  const asksDefault = String(request.headers['x-amz-target']).endsWith('.GetAWSDefaultServiceQuota');
  const Value = asksDefault ? 5 : quotas.get(QuotaCode);
  if (Value === undefined) return jsonError('com.amazonaws.servicequotas#NoSuchResourceException');
  return { body: { Quota: { ServiceCode: 'ec2', QuotaCode, QuotaName: `All ${QuotaCode} (A, C) Requests`, Value } } };
}

const XML = { 'content-type': 'text/xml' };

const TYPES: readonly Ec2Type[] = [
  { name: 'c7g.medium', architecture: 'arm64', vcpus: 1, memoryMiB: 2_048 },
  { name: 'c7i.4xlarge', architecture: 'x86_64', vcpus: 16, memoryMiB: 32_768 },
  { name: 'g4dn.xlarge', architecture: 'x86_64', vcpus: 4, memoryMiB: 16_384, gpu: { count: 1, model: 'T4' } },
];

/** "DescribeSubnets", "DescribeInstanceTypes" and, for a dry run, the error that means yes ("CreateFleet", DryRun). */
function ofEc2({ dryRun, freeAddresses }: AwsAccount, { form }: Recorded): Reply {
  if (form['Action'] === 'DescribeSubnets') {
    const item = `<item><subnetId>subnet-1</subnetId><availabilityZone>us-east-1a</availabilityZone><availableIpAddressCount>${freeAddresses}</availableIpAddressCount></item>`;
    return { headers: XML, body: `<DescribeSubnetsResponse><subnetSet>${item}</subnetSet></DescribeSubnetsResponse>` };
  }
  if (form['Action'] === 'DescribeInstanceTypes') {
    const types = TYPES.map(typeItem).join('');
    return {
      headers: XML,
      body: `<DescribeInstanceTypesResponse><instanceTypeSet>${types}</instanceTypeSet></DescribeInstanceTypesResponse>`,
    };
  }
  const error = `<Error><Code>${dryRun}</Code><Message>as told</Message></Error>`;
  const body = `<Response><Errors>${error}</Errors><RequestID>r-1</RequestID></Response>`;
  return { status: 412, headers: XML, body };
}

function ofIam({ isFederating, roles }: AwsAccount, { form }: Recorded): Reply {
  const answer = (action: string, content: string): Reply => ({
    headers: XML,
    body: `<${action}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><${action}Result>${content}</${action}Result></${action}Response>`,
  });
  if (form['Action'] === 'GetOutboundWebIdentityFederationInfo') {
    return isFederating
      ? answer(
          form['Action'],
          `<IssuerIdentifier>https://abc.tokens.sts.global.api.aws</IssuerIdentifier><JwtVendingEnabled>true</JwtVendingEnabled>`,
        )
      : stsFailure('FeatureDisabled', 404);
  }
  const name = form['RoleName'] ?? '';
  const trust = roles.get(name);
  if (!trust) return stsFailure('NoSuchEntity', 404);
  const encoded = encodeURIComponent(JSON.stringify(trust));
  const names = `<Path>/</Path><RoleName>${name}</RoleName><RoleId>AROA1</RoleId><Arn>arn:aws:iam::123456789012:role/${name}</Arn><CreateDate>2026-03-01T12:00:00Z</CreateDate>`;
  return answer('GetRole', `<Role>${names}<AssumeRolePolicyDocument>${encoded}</AssumeRolePolicyDocument></Role>`);
}
