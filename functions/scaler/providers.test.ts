import { describe, expect, it } from 'vitest';
import { createEc2Client } from '../../adapters/aws/ec2-clients.ts';
import { fleetsFileSchema, fleetsOf } from '../../core/fleet.ts';
import { azureCloudFactory } from '../../test/clouds/azure/azure-cloud.ts';
import { gcpCloud } from '../../test/clouds/gcp/gcp-cloud.ts';
import { systemClock } from '../../test/factories/manual-clock.ts';
import { InMemoryBlobStore } from '../../test/fakes/in-memory-blob-store.ts';
import { InMemoryOfferSource } from '../../test/fakes/in-memory-offer-source.ts';
import { azureMachines } from './azure-machines.ts';
import { gcpMachines } from './gcp-machines.ts';
import { providersFor } from './providers.ts';

const fleets = fleetsOf(
  fleetsFileSchema.parse({
    fleets: { near: { provider: 'aws' }, far: { provider: 'gcp' }, further: { provider: 'azure' } },
  }),
);
const offers = new InMemoryOfferSource([]);
const ec2 = {
  client: createEc2Client({ region: 'us-east-1' }),
  subnetIds: ['subnet-a'],
  images: { arm64: 'ami-1', x86_64: 'ami-2' },
  offers,
};
const local = { instancesDir: '/tmp/instances', bootstrap: '/tmp/bootstrap.sh', environment: {} };

describe('the provider of a fleet', () => {
  it('is processes of this machine for every fleet of the local run, which rents nothing', () => {
    const { providerOf, offersOf } = providersFor({ stage: 'test', local, ec2: undefined });

    expect(fleets.map((fleet) => providerOf(fleet)?.name)).toEqual(['local', 'local', 'local']);
    expect(fleets.map((fleet) => offersOf(fleet))).toEqual([undefined, undefined, undefined]);
  });

  it('is the one of its cloud for a fleet of a declared cloud', () => {
    const options = {
      stage: 'test',
      clock: systemClock,
      blobs: new InMemoryBlobStore(),
      bootstrapSha256: 'a'.repeat(64),
    };
    const azure = azureMachines(azureCloudFactory(), options);
    const gcp = gcpMachines(gcpCloud('http://127.0.0.1:1'), options);
    const { providerOf, offersOf } = providersFor({ stage: 'test', local: undefined, ec2, clouds: { gcp, azure } });

    expect(fleets.map((fleet) => providerOf(fleet)?.name)).toEqual(['aws', 'gcp', 'azure']);
    expect(fleets.map((fleet) => offersOf(fleet))).toEqual([offers, gcp.offers, azure.offers]);
  });

  it('is nobody for machines of somebody’s own, in the local run too', () => {
    const [own] = fleetsOf(fleetsFileSchema.parse({ fleets: { own: { provider: 'external' } } }));

    for (const options of [
      { local, ec2: undefined },
      { local: undefined, ec2 },
    ]) {
      const { providerOf, offersOf } = providersFor({ stage: 'test', ...options });
      expect([providerOf(own!), offersOf(own!)]).toEqual([undefined, undefined]);
    }
  });

  it('is EC2 for a fleet on AWS, and not there for one that this version cannot launch with', () => {
    const { providerOf, offersOf } = providersFor({ stage: 'test', local: undefined, ec2 });

    expect(fleets.map((fleet) => providerOf(fleet)?.name)).toEqual(['aws', undefined, undefined]);
    expect(fleets.map((fleet) => offersOf(fleet))).toEqual([offers, undefined, undefined]);
  });
});
