import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDynamoDb } from './dynamodb/start-dynamodb.ts';
import type { LoopbackServer } from './protocol/loopback-server.ts';
import { startS3 } from './s3/start-s3.ts';
import { startSqs } from './sqs/start-sqs.ts';
import { startStepFunctions } from './step-functions/start-step-functions.ts';

/** Ports left out, or 0, are free ones. */
export interface EmulatorOptions {
  readonly sqsPort?: number;
  readonly dynamodbPort?: number;
  readonly s3Port?: number;
  readonly statesPort?: number;
  /** Keeps buckets and tables across restarts. Without it both are gone at the end. */
  readonly dataFolder?: string;
  /** Where state machines invoke their functions. */
  readonly lambdaEndpoint?: string;
  /** The region in ARNs; callers may sign for any. */
  readonly region?: string;
}

export interface EmulatorUrls {
  readonly sqsUrl: string;
  readonly dynamodbUrl: string;
  readonly s3Url: string;
  readonly statesUrl: string;
}

export interface RunningEmulators extends EmulatorUrls {
  /** Ends all of them, without waiting for calls that are under way. */
  stop(): Promise<void>;
}

/**
 * Starts SQS, DynamoDB, S3 and Step Functions in this process, on the loopback address only.
 *
 * @throws {Error} with one line that names service and port when a port is taken; nothing keeps running then
 */
export async function startEmulators(options: EmulatorOptions = {}): Promise<RunningEmulators> {
  const { sqsPort = 0, dynamodbPort = 0, s3Port = 0, statesPort = 0, dataFolder, region = 'us-east-1' } = options;
  const { lambdaEndpoint = 'http://127.0.0.1:9001' } = options;
  if (dataFolder !== undefined) await mkdir(dataFolder, { recursive: true });
  const temporaryFolder = dataFolder === undefined ? await mkdtemp(join(tmpdir(), 'shoal-s3-')) : undefined;
  const folder = join(dataFolder ?? temporaryFolder ?? '', 's3');
  const tables = dataFolder === undefined ? {} : { path: join(dataFolder, 'dynamodb') };
  const starts = await Promise.allSettled([
    startSqs({ port: sqsPort, region }),
    startDynamoDb({ port: dynamodbPort, ...tables }),
    startS3({ port: s3Port, folder }),
    startStepFunctions({ port: statesPort, region, lambdaEndpoint }),
  ]);
  const stop = async () => {
    await Promise.all(starts.map((start) => (start.status === 'fulfilled' ? start.value.stop() : undefined)));
    if (temporaryFolder !== undefined) await rm(temporaryFolder, { recursive: true, force: true });
  };
  try {
    const [sqs, dynamodb, s3, states] = starts;
    return { sqsUrl: urlOf(sqs), dynamodbUrl: urlOf(dynamodb), s3Url: urlOf(s3), statesUrl: urlOf(states), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function urlOf(start: PromiseSettledResult<LoopbackServer>): string {
  if (start.status === 'rejected') throw start.reason;
  return start.value.url;
}
