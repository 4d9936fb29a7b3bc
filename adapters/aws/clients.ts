/**
 * The AWS clients, made once at module load and passed in. Region, credentials and endpoints come from the SDK's own
 * chain (`AWS_REGION`, roles, `AWS_ENDPOINT_URL_SQS` …): the code is the same against AWS and against emulators.
 * What they throw is translated in `aws-errors.ts`.
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SFNClient } from '@aws-sdk/client-sfn';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { withShoalErrors } from './aws-errors.ts';
import { type ClientOverrides, REQUEST_MS, clientSettings as settings } from './client-settings.ts';

export type { ClientOverrides } from './client-settings.ts';
// An agent takes these from where they are: one at a time, when it needs them.
export { createS3Client } from './s3-client.ts';
export { createSqsClient } from './sqs-client.ts';
export { createSsmClient } from './ssm-client.ts';

export const createDynamoClient = (overrides: ClientOverrides = {}): DynamoDBDocumentClient =>
  DynamoDBDocumentClient.from(withShoalErrors(new DynamoDBClient(settings(REQUEST_MS, overrides))), {
    marshallOptions: { removeUndefinedValues: true },
  });

export const createSfnClient = (overrides: ClientOverrides = {}): SFNClient =>
  withShoalErrors(new SFNClient(settings(REQUEST_MS, overrides)));

export const createLambdaClient = (overrides: ClientOverrides = {}): LambdaClient =>
  withShoalErrors(new LambdaClient(settings(REQUEST_MS, overrides)));
