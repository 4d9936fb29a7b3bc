/**
 * Makes what the packaged template declares on the emulators, with the real SDK: queues, tables, the bucket, the state
 * machine. Doing it again changes nothing, so that a run may find what an earlier one left in its data folder.
 */
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  type DynamoDBClient,
  ResourceInUseException,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { BucketAlreadyOwnedByYou, CreateBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import {
  CreateStateMachineCommand,
  type SFNClient,
  StateMachineAlreadyExists,
  UpdateStateMachineCommand,
} from '@aws-sdk/client-sfn';
import { CreateQueueCommand, SetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';
import {
  bucketSchema,
  queueAttributes,
  queueSchema,
  stateMachineSchema,
  type TableProperties,
  tableInput,
  tableSchema,
} from './stack-resources.ts';
import type { StackResource, StackTemplate } from './template.ts';

export interface ProvisionClients {
  readonly sqs: SQSClient;
  readonly dynamodb: DynamoDBClient;
  readonly s3: S3Client;
  readonly states: SFNClient;
}

/** What was made, by logical id: queues by URL, the others by name. */
export interface Provisioned {
  readonly queueUrls: Readonly<Record<string, string>>;
  readonly tables: Readonly<Record<string, string>>;
  readonly buckets: Readonly<Record<string, string>>;
  /** Their ARNs. */
  readonly stateMachines: Readonly<Record<string, string>>;
}

/** Attributes over those of the template, by a queue's name. */
export interface ProvisionOverrides {
  readonly queueAttributes?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Makes the resources of a stack; resolves when all can be used. */
export async function provision(
  stack: StackTemplate,
  clients: ProvisionClients,
  { queueAttributes: overrides = {} }: ProvisionOverrides = {},
): Promise<Provisioned> {
  const [queueUrls, tables, buckets, stateMachines] = await Promise.all([
    makeQueues(stack, clients.sqs, overrides),
    makeTables(stack, clients.dynamodb),
    makeBuckets(stack, clients.s3),
    makeStateMachines(stack, clients.states),
  ]);
  return { queueUrls, tables, buckets, stateMachines };
}

async function makeQueues(
  stack: StackTemplate,
  sqs: SQSClient,
  overrides: NonNullable<ProvisionOverrides['queueAttributes']>,
): Promise<Record<string, string>> {
  const queues = stack.resourcesOf('AWS::SQS::Queue', queueSchema);
  const made = await Promise.all(
    queues.map(async ({ logicalId, properties }) => {
      const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: properties.QueueName }));
      return [logicalId, QueueUrl] as const;
    }),
  );
  const urls = Object.fromEntries(made);
  // Only now: a redrive policy names another queue, which must exist.
  await Promise.all(
    queues.map(({ logicalId, properties }) => {
      const Attributes = { ...queueAttributes(properties), ...overrides[properties.QueueName] };
      return sqs.send(new SetQueueAttributesCommand({ QueueUrl: urls[logicalId], Attributes }));
    }),
  );
  return urls;
}

async function makeTables(stack: StackTemplate, dynamodb: DynamoDBClient): Promise<Record<string, string>> {
  const tables = stack.resourcesOf('AWS::DynamoDB::Table', tableSchema);
  await Promise.all(tables.map((table) => makeTable(table, dynamodb)));
  return Object.fromEntries(tables.map(({ logicalId, properties }) => [logicalId, properties.TableName]));
}

async function makeTable({ properties }: StackResource<TableProperties>, dynamodb: DynamoDBClient): Promise<void> {
  const input: CreateTableCommandInput = tableInput(properties);
  await ignoring(ResourceInUseException, dynamodb.send(new CreateTableCommand(input)));
  const { TableName } = properties;
  await waitUntilTableExists({ client: dynamodb, minDelay: 0.02, maxDelay: 0.2, maxWaitTime: 10 }, { TableName });
  await refuseOlderTable(input, dynamodb);
  const wanted = properties.TimeToLiveSpecification;
  if (!wanted?.Enabled) return;
  const { TimeToLiveDescription } = await dynamodb.send(new DescribeTimeToLiveCommand({ TableName }));
  // Enabling what is enabled is an error.
  if (TimeToLiveDescription?.TimeToLiveStatus === 'ENABLED') return;
  await dynamodb.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: wanted }));
}

/** The emulator adds no index to a table that is there. */
async function refuseOlderTable(
  { TableName, GlobalSecondaryIndexes: wanted = [] }: CreateTableCommandInput,
  dynamodb: DynamoDBClient,
): Promise<void> {
  const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName }));
  const there = new Set(Table?.GlobalSecondaryIndexes?.map(({ IndexName }) => IndexName));
  const missing = wanted.find(({ IndexName }) => !there.has(IndexName));
  if (!missing) return;
  const what = `the table ${TableName} has no index ${missing.IndexName}`;
  throw new Error(
    `the data of this folder are of an older version (${what}): remove its "data", or choose another --data`,
  );
}

async function makeBuckets(stack: StackTemplate, s3: S3Client): Promise<Record<string, string>> {
  const named = stack.resourcesOf('AWS::S3::Bucket', bucketSchema).flatMap(({ logicalId, properties }) => {
    return properties.BucketName === undefined ? [] : [[logicalId, properties.BucketName] as const];
  });
  const make = (Bucket: string) => ignoring(BucketAlreadyOwnedByYou, s3.send(new CreateBucketCommand({ Bucket })));
  await Promise.all(named.map(([, name]) => make(name)));
  return Object.fromEntries(named);
}

async function makeStateMachines(stack: StackTemplate, states: SFNClient): Promise<Record<string, string>> {
  const made: Record<string, string> = {};
  for (const { logicalId, properties } of stack.resourcesOf('AWS::StepFunctions::StateMachine', stateMachineSchema)) {
    const { arn, name, definition, roleArn } = properties;
    try {
      await states.send(new CreateStateMachineCommand({ name, definition, roleArn, type: 'STANDARD' }));
    } catch (error) {
      // It is there from an earlier run, with another definition.
      if (!(error instanceof StateMachineAlreadyExists)) throw error;
      await states.send(new UpdateStateMachineCommand({ stateMachineArn: arn, definition, roleArn }));
    }
    made[logicalId] = arn;
  }
  return made;
}

async function ignoring(expected: abstract new (...args: never[]) => Error, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof expected)) throw error;
  }
}
