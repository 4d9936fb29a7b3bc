/** The local emulators with the resources that adapters expect: each call makes fresh ones, so that tests do not meet. */
import { CreateTableCommand, type CreateTableCommandInput, type KeySchemaElement } from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { CreateQueueCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll } from 'vitest';
import { createDynamoClient, createS3Client, createSfnClient, createSqsClient } from '../../adapters/aws/clients.ts';
import { type RunningEmulators, startEmulators } from '../../local/emulators/start-emulators.ts';

/** What every client needs beside its endpoint. */
export const access = {
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
};
const unique = (): string => crypto.randomUUID().slice(0, 8);

export class AwsWorld {
  readonly sqs;
  readonly dynamodb;
  readonly s3;
  readonly states;
  readonly emulators: RunningEmulators;

  private constructor(emulators: RunningEmulators) {
    this.emulators = emulators;
    this.sqs = createSqsClient({ ...access, endpoint: emulators.sqsUrl });
    this.dynamodb = createDynamoClient({ ...access, endpoint: emulators.dynamodbUrl });
    this.s3 = createS3Client({ ...access, endpoint: emulators.s3Url });
    this.states = createSfnClient({ ...access, endpoint: emulators.statesUrl });
  }

  static async start(options: { lambdaEndpoint?: string } = {}): Promise<AwsWorld> {
    return new AwsWorld(await startEmulators(options));
  }

  async stop(): Promise<void> {
    for (const client of [this.sqs, this.dynamodb, this.s3, this.states]) client.destroy();
    await this.emulators.stop();
  }

  async queue(name = `queue-${unique()}`): Promise<string> {
    const { QueueUrl = '' } = await this.sqs.send(new CreateQueueCommand({ QueueName: name }));
    return QueueUrl;
  }

  async bucket(): Promise<string> {
    const bucket = `bucket-${unique()}`;
    await this.s3.send(new CreateBucketCommand({ Bucket: bucket }));
    return bucket;
  }

  jobsTable(): Promise<string> {
    return this.#table('jobs', keys('jobId', 'item'), { jobId: 'S', item: 'S', state: 'S' }, [
      {
        IndexName: 'by-state',
        KeySchema: keys('state', 'jobId'),
        Projection: {
          ProjectionType: 'INCLUDE',
          NonKeyAttributes: [
            'status',
            'statusReason',
            'name',
            'fleet',
            'taskCount',
            'createdAt',
            'startedAt',
            'finishedAt',
            'priority',
          ],
        },
      },
    ]);
  }

  tasksTable(): Promise<string> {
    return this.#table(
      'tasks',
      keys('chunkId', 'index'),
      { chunkId: 'S', index: 'N', statusKey: 'S', machineKey: 'S' },
      [
        { IndexName: 'by-status', KeySchema: keys('statusKey', 'index'), Projection: { ProjectionType: 'ALL' } },
        { IndexName: 'by-machine', KeySchema: keys('machineKey', 'index'), Projection: { ProjectionType: 'ALL' } },
      ],
    );
  }

  fleetsTable(): Promise<string> {
    return this.#table('fleets', keys('fleet', 'item'), { fleet: 'S', item: 'S' });
  }

  keysTable(): Promise<string> {
    return this.#table('keys', keys('keyHash'), { keyHash: 'S' });
  }

  async #table(
    name: string,
    KeySchema: KeySchemaElement[],
    attributes: Readonly<Record<string, 'S' | 'N'>>,
    indexes: NonNullable<CreateTableCommandInput['GlobalSecondaryIndexes']> = [],
  ): Promise<string> {
    const TableName = `${name}-${unique()}`;
    await this.dynamodb.send(
      new CreateTableCommand({
        TableName,
        KeySchema,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: Object.entries(attributes).map(([AttributeName, AttributeType]) => ({
          AttributeName,
          AttributeType,
        })),
        ...(indexes.length ? { GlobalSecondaryIndexes: indexes } : {}),
      }),
    );
    return TableName;
  }
}

const keys = (hash: string, range?: string): KeySchemaElement[] => [
  { AttributeName: hash, KeyType: 'HASH' },
  ...(range ? [{ AttributeName: range, KeyType: 'RANGE' } as const] : []),
];

/** Emulators for one test file: started before its tests, stopped after them. */
export function useAwsWorld(): () => AwsWorld {
  let world: AwsWorld | undefined;
  beforeAll(async () => {
    world = await AwsWorld.start();
  });
  afterAll(async () => {
    await world?.stop();
  });
  return () => {
    if (!world) throw new Error('the emulators are not up yet');
    return world;
  };
}
