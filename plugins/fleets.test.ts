// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of CloudFormation and of the framework, not of this language.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import FleetsPlugin from './fleets.ts';

const { resolve } = new FleetsPlugin().configurationVariablesSources.fleets;

let serviceDir: string;

beforeEach(async () => {
  serviceDir = await mkdtemp(join(tmpdir(), 'shoal-fleets-'));
});

afterEach(() => rm(serviceDir, { recursive: true }));

const configuration: Record<string, unknown> = {
  'provider.stage': 'dev',
  'custom.fleetAlarms': { oldestTaskSeconds: 86_400, stalledMinutes: 30 },
  'custom.network': { subnetIds: '', vpcId: '', zones: '3' },
};

const resolveWith = async (fleetsFile: string, address: string) => {
  await writeFile(join(serviceDir, 'fleets.yml'), fleetsFile);
  return resolve({
    address,
    serviceDir,
    resolveConfigurationProperty: async (path) => configuration[path.join('.')],
  });
};

const idsIn = (value: unknown): string[] =>
  Object.keys(z.object({ Resources: z.record(z.string(), z.unknown()) }).parse(value).Resources);

describe('${fleets:…}', () => {
  it('makes queues of every fleet in the file', async () => {
    const { value } = await resolveWith('fleets: { default: { provider: aws }, gpu: { provider: gcp } }', 'queues');

    expect(idsIn(value)).toEqual(
      expect.arrayContaining([
        'TaskQueueDefaultHigh',
        'TaskQueueDefaultNormal',
        'TaskQueueDefaultLow',
        'TaskQueueGpuNormal',
      ]),
    );
  });

  it('makes alarms of every fleet in the file', async () => {
    const { value } = await resolveWith('fleets: { default: { provider: aws } }', 'alarms');

    expect(idsIn(value)).toEqual(['TaskAgeAlarmDefault', 'StalledAlarmDefault']);
  });

  it('refuses a file that the functions would refuse, and says where it is wrong', async () => {
    const file = 'fleets: { default: { provider: aws, maxInstance: 5 } }';

    await expect(resolveWith(file, 'queues')).rejects.toThrow(/fleets\.yml is not valid[\s\S]*maxInstance/);
  });

  it('refuses an address that it does not know', async () => {
    await expect(resolveWith('fleets: { default: { provider: aws } }', 'topics')).rejects.toThrow(
      '${fleets:topics} is unknown',
    );
  });
});
