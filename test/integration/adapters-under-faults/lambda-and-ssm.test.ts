/** The adapters of services that are stubs here hold their contracts while those throttle and fail (lesson 47). */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLambdaClient, createSsmClient } from '../../../adapters/aws/clients.ts';
import { LambdaWaker } from '../../../adapters/aws/lambda-waker.ts';
import { SsmSecretSource } from '../../../adapters/aws/secret-source.ts';
import { seededRandom } from '../../../local/emulators/faults/faults.ts';
import { access } from '../../contracts/aws-world.ts';
import { LambdaStub, type StubFailure } from '../../contracts/lambda-stub.ts';
import { ParameterStoreStub } from '../../contracts/parameter-store-stub.ts';
import { describeSecretSourceContract } from '../../contracts/secret-source.ts';
import { describeWakerContract } from '../../contracts/waker.ts';
import { quickRetries } from './troubled-world.ts';

/** Every third request or so fails, in one of the service's ways. */
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

const settings = (endpoint: string) => ({ ...access, endpoint, retryStrategy: quickRetries(10) });

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

it('the contracts above were held under faults indeed', () => {
  expect(Math.min(ofLambda.met.count, ofStore.met.count)).toBeGreaterThan(0);
});
