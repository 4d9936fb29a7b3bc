import { describe, expect, it } from 'vitest';
import { cloudsSchema } from '../../core/clouds.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { GCP_CLOUD } from '../../test/factories/clouds.ts';
import { launchedInstance } from './scale-snapshot.ts';
import { SETTINGS } from './testing/scaler-world.ts';

const LAUNCHED = '2026-03-01T12:00:00.000Z';

function minutesUntilLate(provider: 'aws' | 'gcp', declared: unknown = { gcp: GCP_CLOUD }): number {
  const [fleet] = fleetsOf(fleetsFileSchema.parse({ fleets: { far: { provider } } }));
  if (!fleet) throw new RangeError('no fleet');
  const machine = { instanceId: 'm', instanceType: 't', hourlyPriceUsd: 0.01, launchedAt: LAUNCHED };
  const settings = { ...SETTINGS, readyDeadlineSeconds: 300, clouds: cloudsSchema.parse(declared) };
  const { readyDeadlineAt } = launchedInstance(fleet, provider, null, machine, settings);
  return (Date.parse(readyDeadlineAt) - Date.parse(LAUNCHED)) / 60_000;
}

describe('a machine that is not heard of', () => {
  it('is late a few minutes after it should be ready', () => {
    expect(minutesUntilLate('aws')).toBe(8);
    // Its reports come straight to AWS.
    expect(minutesUntilLate('gcp', {})).toBe(8);
  });

  it('is given half an hour more where its reports come over a bridge, which may be out of order', () => {
    expect(minutesUntilLate('gcp')).toBe(35);
  });
});
