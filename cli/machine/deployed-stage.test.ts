import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ValidationError } from '../../core/errors.ts';
import { deployedStage } from './deployed-stage.ts';

const HASH = 'a'.repeat(64);
const QUEUES = 'https://sqs.eu-west-1.amazonaws.com/123456789012/';
const VARIABLES = {
  BUCKET: 'shoal-data-dev',
  QUEUE_URL_PREFIX: QUEUES,
  STATUS_QUEUE_URL: `${QUEUES}shoal-status-dev`,
  AGENT_SHA256: HASH,
  BOOTSTRAP_SHA256: HASH.replaceAll('a', 'b'),
};

/** Lambda as `GetFunctionConfiguration` asks it: it has one function. */
async function lambdaWith(name: string, variables: Readonly<Record<string, string>>): Promise<LambdaClient> {
  const server = createServer((request, response) => {
    const isThere = decodeURIComponent(request.url ?? '').includes(`/functions/${name}/configuration`);
    response.writeHead(isThere ? 200 : 404, isThere ? {} : { 'x-amzn-errortype': 'ResourceNotFoundException' });
    response.end(JSON.stringify(isThere ? { Environment: { Variables: variables } } : {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
  });
  // A listening TCP server has an address of this shape.
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return new LambdaClient({ endpoint, region: 'eu-west-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } });
}

describe('a deployed stage', () => {
  it('is known by its scaler: queues, bucket, and what machines run', async () => {
    const { settings, bootstrapUrl } = await deployedStage(await lambdaWith('shoal-dev-scaler', VARIABLES), 'dev', []);

    expect(settings).toMatchObject({
      stage: 'dev',
      region: 'eu-west-1',
      bucket: 'shoal-data-dev',
      queueUrlPrefix: QUEUES,
      statusQueueUrl: `${QUEUES}shoal-status-dev`,
      agentUrl: `s3://shoal-data-dev/artifacts/${HASH}/agent.mjs`,
      agentSha256: HASH,
    });
    expect(bootstrapUrl).toBe(`s3://shoal-data-dev/artifacts/${'b'.repeat(64)}/bootstrap.sh`);
  });

  it('that is not there, or too old to tell, is said to be so', async () => {
    const lambda = await lambdaWith('shoal-dev-scaler', { BUCKET: 'shoal-data-dev' });

    await expect(deployedStage(lambda, 'prod', [])).rejects.toThrow('nothing is deployed as stage prod in eu-west-1');
    await expect(deployedStage(lambda, 'dev', [])).rejects.toBeInstanceOf(ValidationError);
  });
});
