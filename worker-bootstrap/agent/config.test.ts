import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../core/errors.ts';
import { parseAgentConfig } from './config.ts';

const environment = {
  SHOAL_STAGE: 'dev',
  SHOAL_FLEET: 'default',
  SHOAL_INSTANCE_ID: 'i-1',
  SHOAL_SLOTS: '4',
  SHOAL_IDLE_SECONDS: '60',
  SHOAL_MAX_LIFETIME_SECONDS: '86400',
  SHOAL_QUEUE_URL_PREFIX: 'https://sqs.eu-central-1.amazonaws.com/123456789012/',
  SHOAL_STATUS_QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/123456789012/status',
  SHOAL_BUCKET: 'bucket',
  SHOAL_WORK_DIR: '/var/lib/shoal',
  PATH: '/usr/bin',
};

const faultsOf = (changed: Record<string, string | undefined>): string[] => {
  try {
    parseAgentConfig({ ...environment, ...changed });
    return [];
  } catch (error) {
    return error instanceof ValidationError ? error.faults.map((fault) => fault.path) : [String(error)];
  }
};

describe('parseAgentConfig', () => {
  it('fills in what may be left out', () => {
    expect(parseAgentConfig(environment)).toMatchObject({
      slots: 4,
      graceSeconds: 30,
      leaseGraceSeconds: 60,
      setupSeconds: 600,
      controlSeconds: 15,
      pollSeconds: 10,
      commandPath: expect.stringMatching(/^\/usr\/bin:/),
    });
  });

  it('names everything that is wrong at once', () => {
    const faulty = { SHOAL_SLOTS: '0', SHOAL_BUCKET: undefined, SHOAL_WORK_DIR: 'relative', SHOAL_IDLE_SECONDS: '' };

    expect(faultsOf(faulty).sort()).toEqual(['SHOAL_BUCKET', 'SHOAL_IDLE_SECONDS', 'SHOAL_SLOTS', 'SHOAL_WORK_DIR']);
  });

  it.each(['1.5', '-1', 'many', '1e3', ' 1'])('takes no number of slots that reads %j', (slots) => {
    expect(faultsOf({ SHOAL_SLOTS: slots })).toEqual(['SHOAL_SLOTS']);
  });
});
