/** The clients that the doctor looks through. An answer that takes long does not come: it tries twice, not five times. */
import { IAMClient } from '@aws-sdk/client-iam';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { STSClient } from '@aws-sdk/client-sts';
import { withShoalErrors } from '../../adapters/aws/aws-errors.ts';
import { type ClientOverrides, clientSettings } from '../../adapters/aws/client-settings.ts';
import { createDynamoClient, createS3Client, createSqsClient } from '../../adapters/aws/clients.ts';
import { createEc2Client } from '../../adapters/aws/ec2-clients.ts';

const REQUEST_MS = 5_000;

export function awsClients(region: string) {
  const overrides: ClientOverrides = { maxAttempts: 2, region };
  const settings = () => clientSettings(REQUEST_MS, overrides);
  return {
    overrides,
    sts: withShoalErrors(new STSClient(settings())),
    iam: withShoalErrors(new IAMClient(settings())),
    lambda: withShoalErrors(new LambdaClient(settings())),
    quotas: withShoalErrors(new ServiceQuotasClient(settings())),
    dynamodb: createDynamoClient(overrides),
    sqs: createSqsClient(overrides),
    s3: createS3Client(overrides),
    ec2: createEc2Client(overrides),
  };
}

export type AwsClients = ReturnType<typeof awsClients>;
