/**
 * The AWS clients, made once at module load and passed in. Region, credentials and endpoints come from the SDK's own
 * chain (`AWS_REGION`, roles, `AWS_ENDPOINT_URL_SQS` …): the code is the same against AWS and against emulators.
 * What they throw is translated in `aws-errors.ts`.
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EC2Client } from '@aws-sdk/client-ec2';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { SFNClient } from '@aws-sdk/client-sfn';
import { SQSClient, type SQSClientConfig } from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { withShoalErrors } from './aws-errors.ts';

export interface ClientOverrides {
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly maxAttempts?: number;
  readonly retryStrategy?: NonNullable<SQSClientConfig['retryStrategy']>;
}

const CONNECT_MS = 2_000;
/** An SQS long poll lasts 20 s; nothing else takes nearly so long. */
const LONG_POLL_REQUEST_MS = 25_000;
const REQUEST_MS = 10_000;

const settings = (requestTimeout: number, overrides: ClientOverrides) => ({
  maxAttempts: 5,
  requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout, throwOnRequestTimeout: true },
  ...overrides,
});

export const createSqsClient = (overrides: ClientOverrides = {}): SQSClient =>
  withShoalErrors(new SQSClient(settings(LONG_POLL_REQUEST_MS, overrides)));

/** Blobs may be large: a longer limit for one request. */
export const createS3Client = (overrides: ClientOverrides = {}): S3Client =>
  withShoalErrors(new S3Client(settings(60_000, overrides)));

export const createDynamoClient = (overrides: ClientOverrides = {}): DynamoDBDocumentClient =>
  DynamoDBDocumentClient.from(withShoalErrors(new DynamoDBClient(settings(REQUEST_MS, overrides))), {
    marshallOptions: { removeUndefinedValues: true },
  });

export const createSfnClient = (overrides: ClientOverrides = {}): SFNClient =>
  withShoalErrors(new SFNClient(settings(REQUEST_MS, overrides)));

export const createLambdaClient = (overrides: ClientOverrides = {}): LambdaClient =>
  withShoalErrors(new LambdaClient(settings(REQUEST_MS, overrides)));

export const createSsmClient = (overrides: ClientOverrides = {}): SSMClient =>
  withShoalErrors(new SSMClient(settings(REQUEST_MS, overrides)));

/**
 * An instant fleet is answered when its machines are launched, which takes seconds. What it throws is not translated: of a
 * launch, `ec2-launch-errors.ts` knows more.
 */
export const createEc2Client = (overrides: ClientOverrides = {}): EC2Client =>
  new EC2Client(settings(20_000, { maxAttempts: 3, ...overrides }));
