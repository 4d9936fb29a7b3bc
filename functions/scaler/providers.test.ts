import { describe, expect, it } from 'vitest';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { providersFor } from './providers.ts';

const fleets = fleetsOf(fleetsFileSchema.parse({ fleets: { near: { provider: 'aws' }, far: { provider: 'gcp' } } }));

describe('the provider of a fleet', () => {
  it('is processes of this machine for every fleet of the local run', () => {
    const providerOf = providersFor({
      localInstancesDir: '/tmp/instances',
      localBootstrap: '/tmp/bootstrap.sh',
      localEnvironment: {},
    });

    expect(fleets.map((fleet) => providerOf(fleet)?.name)).toEqual(['local', 'local']);
  });

  it('is not there for one that this version cannot launch with', () => {
    const providerOf = providersFor({ localInstancesDir: undefined, localBootstrap: undefined, localEnvironment: {} });

    expect(fleets.map((fleet) => providerOf(fleet))).toEqual([undefined, undefined]);
  });
});
