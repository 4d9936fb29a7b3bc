import { describe, expect, it } from 'vitest';
import { GCP_CLOUD } from '../test/factories/clouds.ts';
import { fleetsFileOfRun, functionOverrides, tickSecondsOf } from './pipeline-options.ts';

const agent = { url: 'file:///agent.mjs', sha256: 'ab' };
const endpoints = { sqs: 'http://127.0.0.1:1', s3: 'http://127.0.0.1:2', metadata: 'http://127.0.0.1:3' };

describe('the options of a run', () => {
  it('change fleets of fleets.yml, and add others', async () => {
    const { fleets } = await fleetsFileOfRun({ fleets: { default: { idleSeconds: 3 }, far: { provider: 'gcp' } } });
    expect(fleets['default']).toMatchObject({ idleSeconds: 3, provider: 'aws' });
    expect(fleets['far']).toMatchObject({ provider: 'gcp', maxInstances: 10 });
    await expect(fleetsFileOfRun({ fleets: { other: {} } })).rejects.toThrow('provider');
    await expect(fleetsFileOfRun({ fleets: { default: { idleSeconds: -3 } } })).rejects.toThrow('idleSeconds');
  });

  it('declare other clouds', async () => {
    expect((await fleetsFileOfRun({ clouds: { gcp: GCP_CLOUD } })).clouds.gcp?.project).toBe(GCP_CLOUD.project);
    expect((await fleetsFileOfRun({})).clouds).toEqual({});
  });

  it('set the tick, else the environment does', () => {
    expect(tickSecondsOf({}, {})).toBe(5);
    expect(tickSecondsOf({}, { SHOAL_TICK_SECONDS: '2' })).toBe(2);
    expect(tickSecondsOf({ tickSeconds: 1 }, { SHOAL_TICK_SECONDS: '2' })).toBe(1);
    expect(() => tickSecondsOf({}, { SHOAL_TICK_SECONDS: 'soon' })).toThrow('number of seconds');
  });

  it('come over everything else in the environment of functions and machines', () => {
    const options = { environment: { AGENT_URL: 'other' }, machineEnvironment: { SHOAL_SETUP_SECONDS: '4' } };
    const places = { instances: '/run/instances', credentials: '/run/credentials' };
    const environment = functionOverrides(options, places, agent, endpoints);
    expect(environment).toMatchObject({
      AGENT_URL: 'other',
      AGENT_SHA256: 'ab',
      LOCAL_INSTANCES_DIR: '/run/instances',
      LOCAL_CREDENTIALS_DIR: '/run/credentials',
    });
    expect(JSON.parse(environment['LOCAL_MACHINE_ENVIRONMENT'] ?? '')).toMatchObject({
      SHOAL_SETUP_SECONDS: '4',
      SHOAL_CREDENTIALS_DIR: '/run/credentials',
      AWS_ENDPOINT_URL_SQS: 'http://127.0.0.1:1',
      AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:2',
      SHOAL_METADATA_URL: 'http://127.0.0.1:3',
    });
  });
});
