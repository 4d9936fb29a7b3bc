/** Looks at the quotas of the account that new accounts have little of: vCPUs of EC2, concurrent executions of Lambda. */
import { GetAccountSettingsCommand } from '@aws-sdk/client-lambda';
import { awsCodeOf } from '../../adapters/aws/aws-errors.ts';
import { readInstanceTypes } from '../../adapters/aws/ec2-instance-types.ts';
import { ec2QuotaOf, readServiceQuota } from '../../adapters/aws/ec2-quotas.ts';
import type { AwsChecksOptions } from './aws-checks.ts';
import { type Finding, failed, ok, skipped } from './finding.ts';
import { quotaFindings } from './quota-findings.ts';

const raiseCommand = (service: string, code: string, value: number, region: string): string =>
  `aws service-quotas request-service-quota-increase --service-code ${service} --quota-code ${code} --desired-value ${value} --region ${region}`;

/** What the account may have, whatever of it is in use: Service Quotas does not tell that. */
export async function checkVcpus({ clients, region, fleets }: AwsChecksOptions): Promise<readonly Finding[]> {
  const what = 'EC2: quotas';
  const onEc2 = fleets.filter(({ provider }) => provider === 'aws');
  if (onEc2.length === 0) return [skipped(what, 'no fleet is on AWS')];
  try {
    return await quotaFindings({
      cloud: 'EC2',
      fleets: onEc2,
      machines: await readInstanceTypes(clients.ec2),
      quotaOf: ec2QuotaOf,
      read: async (code) => {
        const quota = await readServiceQuota(clients.quotas, 'ec2', code);
        // "All Standard (A, C, D, …) Spot Instance Requests"
        return quota && { name: quota.name.replace(/ \(.*\)/, ''), vcpus: quota.value };
      },
      raise: (code, vcpus) => raiseCommand('ec2', code, vcpus, region),
    });
  } catch (error) {
    if (!DENIED.has(awsCodeOf(error))) throw error;
    return [skipped(what, 'could not be read', ALLOW_READING)];
  }
}

const DENIED: ReadonlySet<string> = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'DependencyAccessDeniedException',
  'UnauthorizedOperation',
]);

const ALLOW_READING =
  'allow your role servicequotas:GetServiceQuota, servicequotas:GetAWSDefaultServiceQuota and ec2:DescribeInstanceTypes';

/** So many of an account's executions cannot be reserved ("Configuring reserved concurrency"); the scaler reserves one. */
const KEPT = 100;
const CONCURRENCY = 'L-B99A9384';

/** Lambda tells what holds: Service Quotas may know no applied value, and the default is not what a new account has. */
export async function checkConcurrency({ clients: { lambda }, region }: AwsChecksOptions): Promise<Finding> {
  const what = 'Lambda concurrency';
  const { AccountLimit = {} } = await lambda.send(new GetAccountSettingsCommand({}));
  const { ConcurrentExecutions: limit = 0, UnreservedConcurrentExecutions: unreserved = limit } = AccountLimit;
  // Once the stack is deployed, the scaler's own one is no longer among the unreserved.
  if (limit > KEPT && unreserved >= KEPT) return ok(what, `${limit} executions at a time`);
  const raise = raiseCommand('lambda', CONCURRENCY, Math.max(1_000, 2 * limit), region);
  return failed(
    what,
    `${limit} executions at a time, ${unreserved} of them unreserved: none can be reserved for the scaler`,
    `${raise}, or take \`reservedConcurrency\` out of serverless.yml`,
  );
}
