import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createLambdaClient } from '../../adapters/aws/clients.ts';
import { LambdaWaker } from '../../adapters/aws/lambda-waker.ts';
import { InMemoryWaker } from '../fakes/in-memory-waker.ts';
import { LambdaStub } from './lambda-stub.ts';
import { describeWakerContract } from './waker.ts';

describeWakerContract('in memory', async () => {
  const waker = new InMemoryWaker();
  return { waker, wakes: async () => waker.wakes };
});

const lambda = new LambdaStub();
let endpoint: string;
beforeAll(async () => {
  endpoint = await lambda.start();
});
afterEach(() => {
  lambda.forbidden = false;
});
afterAll(() => lambda.stop());
const waker = (onFailure: (error: unknown) => void = () => {}) => {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = createLambdaClient({ endpoint, region: 'us-east-1', credentials });
  return new LambdaWaker({ client, functionName: 'shoal-scaler-test', onFailure });
};

describeWakerContract('Lambda', async () => {
  const before = lambda.invocations.length;
  return { waker: waker(), wakes: async () => lambda.invocations.length - before };
});

it('Lambda: the scaler is invoked asynchronously, so that nobody waits for it', async () => {
  await waker().wake();

  expect(lambda.invocations.at(-1)).toMatchObject({ functionName: 'shoal-scaler-test', invocationType: 'Event' });
});

it('Lambda: a scaler that cannot be woken is told of, and is no error: its next tick sees the same', async () => {
  lambda.forbidden = true;
  const failures: unknown[] = [];

  await expect(waker((error) => failures.push(error)).wake()).resolves.toBeUndefined();

  expect(failures).toMatchObject([{ name: 'PermanentError', context: { code: 'AccessDeniedException' } }]);
});
