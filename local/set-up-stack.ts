/** Makes the stack's resources on running emulators and knows the key to use them with. Loads the AWS SDK, which takes its time. */
import { randomUUID } from 'node:crypto';
import { createDynamoClient, createS3Client, createSfnClient, createSqsClient } from '../adapters/aws/clients.ts';
import { DynamoKeyStore } from '../adapters/aws/dynamodb-key-store.ts';
import { hashApiKey } from '../functions/http/authenticate.ts';
import { taskQueueResources } from '../resources/task-queues.ts';
import { LOCAL_CREDENTIALS } from './function-host/function-environment.ts';
import { queueMappingsOf } from './function-host/queue-mappings.ts';
import { LOCAL_REGION, LOCAL_STAGE } from './physical-names.ts';
import { provision } from './provision.ts';
import { readStackTemplate } from './template.ts';

export interface StackEndpoints {
  readonly sqs: string;
  readonly dynamodb: string;
  readonly s3: string;
  readonly states: string;
}

export interface StandingStack {
  /** By logical id. */
  readonly queueUrls: Readonly<Record<string, string>>;
  /** By logical id. */
  readonly tables: Readonly<Record<string, string>>;
  readonly bucket: string;
  readonly stateMachineArn: string;
}

export interface StackOverrides {
  readonly queueUrlPrefix: string;
  /** What the API is to know its users of this machine by. */
  readonly apiKey: string;
  readonly reportVisibilitySeconds: number | undefined;
  /** Of this run, by name. */
  readonly fleets: readonly string[];
}

/**
 * Provisions the template's resources, and the queues of fleets that it does not know. `reportVisibilitySeconds` changes the
 * queues that feed functions.
 */
export async function setUpStack(
  templatePath: string,
  endpoints: StackEndpoints,
  { queueUrlPrefix, apiKey, reportVisibilitySeconds, fleets }: StackOverrides,
): Promise<StandingStack> {
  // A copy each: the SDK writes into what it is given.
  const at = (endpoint: string) => ({ endpoint, region: LOCAL_REGION, credentials: { ...LOCAL_CREDENTIALS } });
  const dynamodb = createDynamoClient(at(endpoints.dynamodb));
  const clients = {
    sqs: createSqsClient(at(endpoints.sqs)),
    dynamodb,
    s3: createS3Client(at(endpoints.s3)),
    states: createSfnClient(at(endpoints.states)),
  };
  const stack = await readStackTemplate(templatePath, { queueUrlPrefix }, taskQueueResources(fleets, LOCAL_STAGE));
  const feeding = reportVisibilitySeconds === undefined ? [] : queueMappingsOf(stack).map((each) => each.queueName);
  const { queueUrls, tables, buckets, stateMachines } = await provision(stack, clients, {
    queueAttributes: Object.fromEntries(
      feeding.map((name) => [name, { VisibilityTimeout: String(reportVisibilitySeconds) }]),
    ),
  });
  const { KeysTable: table } = tables;
  const { DataBucket: bucket } = buckets;
  const { JobStateMachine: stateMachineArn } = stateMachines;
  if (!table || !bucket || !stateMachineArn) {
    throw new Error('the template has no KeysTable, no DataBucket or no JobStateMachine');
  }
  await seedKey(new DynamoKeyStore({ client: dynamodb, table }), apiKey);
  for (const client of Object.values(clients)) client.destroy();
  return { queueUrls, tables, bucket, stateMachineArn };
}

/** Stored once: requests that are repeated after a start are known by the key's id. */
async function seedKey(keys: DynamoKeyStore, apiKey: string): Promise<void> {
  const keyHash = hashApiKey(apiKey);
  if (await keys.find(keyHash)) return;
  await keys.put(keyHash, { keyId: randomUUID(), name: 'local', createdAt: new Date().toISOString() });
}
