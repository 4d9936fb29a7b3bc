import { describe, expect, it } from 'vitest';
import { AZURE_CLOUD, GCP_CLOUD } from '../test/factories/clouds.ts';
import { cloudsSchema } from './clouds.ts';
import { fleetsFileSchema, fleetsOf } from './fleet.ts';
import { machineEnvironment, settingsFor } from './machine-environment.ts';

const fleets = fleetsOf(
  fleetsFileSchema.parse({
    fleets: { aws: { provider: 'aws' }, gcp: { provider: 'gcp' }, azure: { provider: 'azure' } },
  }),
);
const settings = {
  stage: 'test',
  region: 'eu-central-1',
  bucket: 'shoal-data-test',
  queueUrlPrefix: 'https://sqs.eu-central-1.amazonaws.com/1/',
  statusQueueUrl: 'https://sqs.eu-central-1.amazonaws.com/1/shoal-status-test',
  agentUrl: '',
  agentSha256: 'abc',
  readyDeadlineSeconds: 300,
};

function told(name: string, declared: unknown = { gcp: GCP_CLOUD, azure: AZURE_CLOUD }) {
  const fleet = fleets.find((each) => each.name === name);
  if (!fleet) throw new RangeError(name);
  const environment = machineEnvironment(fleet, settingsFor(fleet, settings, cloudsSchema.parse(declared)));
  const { SHOAL_SERVICES, SHOAL_QUEUE_URL_PREFIX, SHOAL_STATUS_QUEUE_URL, SHOAL_BUCKET, SHOAL_AGENT_URL } = environment;
  return [SHOAL_SERVICES, SHOAL_QUEUE_URL_PREFIX, SHOAL_STATUS_QUEUE_URL, SHOAL_BUCKET, SHOAL_AGENT_URL];
}

describe('what machines are told', () => {
  it('is where the services of their own cloud are', () => {
    expect(told('gcp')).toEqual([
      'gcp',
      'https://pubsub.googleapis.com/v1/projects/acme-batch/',
      'https://pubsub.googleapis.com/v1/projects/acme-batch/topics/shoal-status-test',
      'https://storage.googleapis.com/acme-batch-shoal-test',
      'https://storage.googleapis.com/acme-batch-shoal-test/artifacts/abc/agent.mjs',
    ]);
    expect(told('azure')).toEqual([
      'azure',
      'https://acme-shoal-test.servicebus.windows.net/',
      'https://acme-shoal-test.servicebus.windows.net/shoal-status-test',
      'https://acmeshoaltest.blob.core.windows.net/shoal',
      'https://acmeshoaltest.blob.core.windows.net/shoal/artifacts/abc/agent.mjs',
    ]);
  });

  it('is where those of AWS are, in a fleet there or in a cloud that is not declared', () => {
    const home = [undefined, settings.queueUrlPrefix, settings.statusQueueUrl, settings.bucket, ''];

    expect(told('aws')).toEqual(home);
    expect(told('gcp', {})).toEqual(home);
  });
});
