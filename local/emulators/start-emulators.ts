import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDynamoDb } from './dynamodb/start-dynamodb.ts';
import { Faults } from './faults/faults.ts';
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
  /** Of all four services; the same that can be switched over HTTP. */
  readonly faults: Faults;
  /** Empties the queues and ends all connections to them, as a crash of this process would. */
  restartQueues(): void;
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
  const faults = new Faults();
  const starts = await Promise.allSettled([
    startSqs({ port: sqsPort, region, faults }),
    startDynamoDb({ port: dynamodbPort, ...tables, faults }),
    startS3({ port: s3Port, folder, faults }),
    startStepFunctions({ port: statesPort, region, lambdaEndpoint, faults }),
  ]);
  const stop = async () => {
    await Promise.all(starts.map((start) => (start.status === 'fulfilled' ? start.value.stop() : undefined)));
    if (temporaryFolder !== undefined) await rm(temporaryFolder, { recursive: true, force: true });
  };
  try {
    const [sqs, dynamodb, s3, states] = starts;
    return {
      sqsUrl: started(sqs).url,
      dynamodbUrl: started(dynamodb).url,
      s3Url: started(s3).url,
      statesUrl: started(states).url,
      faults,
      restartQueues: started(sqs).restart,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function started<Server extends LoopbackServer>(start: PromiseSettledResult<Server>): Server {
  if (start.status === 'rejected') throw start.reason;
  return start.value;
}
