import { describe, expect, it } from 'vitest';
import { fleetsOfRun, functionOverrides, tickSecondsOf } from './pipeline-options.ts';

const agent = { url: 'file:///agent.mjs', sha256: 'ab' };
const endpoints = { sqs: 'http://127.0.0.1:1', s3: 'http://127.0.0.1:2', metadata: 'http://127.0.0.1:3' };

describe('the options of a run', () => {
  it('change fleets of fleets.yml, and no others', async () => {
    const [fleet] = await fleetsOfRun({ fleets: { default: { idleSeconds: 3 } } });
    expect(fleet).toMatchObject({ name: 'default', idleSeconds: 3, provider: 'aws' });
    await expect(fleetsOfRun({ fleets: { other: {} } })).rejects.toThrow('no fleet called other');
    await expect(fleetsOfRun({ fleets: { default: { idleSeconds: -3 } } })).rejects.toThrow('idleSeconds');
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
