/**
 * Every AWS adapter but those of SQS holds its contract while its service throttles, fails, conflicts, answers in part and
 * loses answers (lesson 44, lesson 47). What a lost answer to a signal does is told in `lost-responses.test.ts`: it cannot
 * be hidden.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLambdaClient, createSsmClient } from '../../../adapters/aws/clients.ts';
import { DynamoFleetStore } from '../../../adapters/aws/dynamodb-fleet-store.ts';
import { DynamoJobStore } from '../../../adapters/aws/dynamodb-job-store.ts';
import { DynamoKeyStore } from '../../../adapters/aws/dynamodb-key-store.ts';
import { DynamoTaskStore } from '../../../adapters/aws/dynamodb-task-store.ts';
import { LambdaWaker } from '../../../adapters/aws/lambda-waker.ts';
import { S3BlobStore } from '../../../adapters/aws/s3-blob-store.ts';
import { S3ControlChannel } from '../../../adapters/aws/s3-control-channel.ts';
import { SsmSecretSource } from '../../../adapters/aws/secret-source.ts';
import { seededRandom } from '../../../local/emulators/faults/faults.ts';
import { AwsWorld, access } from '../../contracts/aws-world.ts';
import { describeBlobStoreContract } from '../../contracts/blob-store.ts';
import { describeControlChannelContract } from '../../contracts/control-channel.ts';
import { describeFleetStoreContract } from '../../contracts/fleet-store.ts';
import { describeJobMachineContract } from '../../contracts/job-machine.ts';
import { describeJobStoreContract } from '../../contracts/job-store.ts';
import { describeKeyStoreContract } from '../../contracts/key-store.ts';
import { LambdaStub, type StubFailure } from '../../contracts/lambda-stub.ts';
import { ParameterStoreStub } from '../../contracts/parameter-store-stub.ts';
import { describeSecretSourceContract } from '../../contracts/secret-source.ts';
import { describeTaskStoreContract } from '../../contracts/task-store.ts';
import { waitingMachineSetup } from '../../contracts/waiting-machines.ts';
import { describeWakerContract } from '../../contracts/waker.ts';
import { quickRetries, useTroubledWorld } from './troubled-world.ts';

/** What the emulated state machines invoke. */
const functions = new LambdaStub();
const troubled = useTroubledWorld(
  [
    { service: 'dynamodb', kind: 'throttle', probability: 0.1, seed: 1 },
    { service: 'dynamodb', kind: 'unavailable', probability: 0.05, seed: 2 },
    { service: 'dynamodb', kind: 'conflict', probability: 0.15, seed: 3 },
    { service: 'dynamodb', kind: 'lost-response', probability: 0.15, seed: 4 },
    { service: 'dynamodb', kind: 'partial', probability: 0.3, seed: 5 },
    { service: 's3', kind: 'throttle', probability: 0.15, seed: 6 },
    { service: 's3', kind: 'unavailable', probability: 0.1, seed: 7 },
    { service: 's3', kind: 'conflict', probability: 0.15, seed: 8 },
    { service: 's3', kind: 'lost-response', probability: 0.15, seed: 9 },
    { service: 'states', kind: 'throttle', probability: 0.2, seed: 10 },
    { service: 'states', kind: 'unavailable', probability: 0.15, seed: 11 },
    { service: 'states', operation: 'StartExecution', kind: 'lost-response', times: 3 },
  ],
  async () => AwsWorld.start({ lambdaEndpoint: await functions.start() }),
);
afterAll(() => functions.stop());

async function jobsAndTasks() {
  const { world, clients } = troubled();
  const client = clients.dynamodb;
  const [jobsTable, tasksTable] = await Promise.all([world.jobsTable(), world.tasksTable()]);
  return {
    jobs: new DynamoJobStore({ client, table: jobsTable }),
    tasks: new DynamoTaskStore({ client, tasksTable, jobsTable }),
  };
}

describeJobStoreContract('DynamoDB under faults', jobsAndTasks);
describeTaskStoreContract('DynamoDB under faults', jobsAndTasks);
describeFleetStoreContract('DynamoDB under faults', async () => {
  const { world, clients } = troubled();
  return new DynamoFleetStore({ client: clients.dynamodb, table: await world.fleetsTable() });
});
describeKeyStoreContract('DynamoDB under faults', async () => {
  const { world, clients } = troubled();
  return new DynamoKeyStore({ client: clients.dynamodb, table: await world.keysTable() });
});

describeBlobStoreContract('S3 under faults', async () => {
  const { world, clients } = troubled();
  return new S3BlobStore({ client: clients.s3, bucket: await world.bucket() });
});
describeControlChannelContract('S3 under faults', async () => {
  const { world, clients } = troubled();
  return new S3ControlChannel({ client: clients.s3, bucket: await world.bucket() });
});

describeJobMachineContract('Step Functions under faults', () =>
  waitingMachineSetup(troubled().world.states, troubled().clients.states, functions),
);

// Lambda's own API and Parameter Store are stubs: they spoil requests by themselves.

/** About every third request fails, in one of the service's ways. */
function failures(seed: number, all: readonly StubFailure[]) {
  const random = seededRandom(seed);
  const met = { count: 0 };
  const spoil = (): StubFailure | undefined => {
    if (random() > 0.35) return undefined;
    met.count += 1;
    return all[met.count % all.length];
  };
  return { met, spoil };
}

const lambda = new LambdaStub();
const store = new ParameterStoreStub();
const ofLambda = failures(1, [
  { status: 429, type: 'TooManyRequestsException' },
  { status: 500, type: 'ServiceException' },
]);
const ofStore = failures(2, [
  { status: 400, type: 'ThrottlingException' },
  { status: 500, type: 'InternalServerError' },
]);
let lambdaUrl: string;
let storeUrl: string;
beforeAll(async () => {
  [lambdaUrl, storeUrl] = await Promise.all([lambda.start(), store.start()]);
  lambda.spoil = ofLambda.spoil;
  store.spoil = ofStore.spoil;
});
afterAll(() => Promise.all([lambda.stop(), store.stop()]));

const settings = (endpoint: string) => ({ ...access, endpoint, retryStrategy: quickRetries(20) });

describeWakerContract('Lambda under faults', async () => {
  const before = lambda.invocations.length;
  const waker = new LambdaWaker({ client: createLambdaClient(settings(lambdaUrl)), functionName: 'scaler' });
  return { waker, wakes: async () => lambda.invocations.length - before };
});

describeSecretSourceContract('SSM Parameter Store under faults', async () => {
  store.parameters.clear();
  return {
    secrets: new SsmSecretSource({ client: createSsmClient(settings(storeUrl)), stage: 'test' }),
    put: async (name, value) => void store.parameters.set(`/shoal/test/credentials/${name}`, value),
  };
});

it('the stubs spoilt some requests indeed', () => {
  expect(Math.min(ofLambda.met.count, ofStore.met.count)).toBeGreaterThan(0);
});
