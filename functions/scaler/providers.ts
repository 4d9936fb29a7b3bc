/**
 * Which provider launches a fleet's machines, and what it rents out. In the local run all
 * are processes. Machines of somebody's own come by themselves: nobody launches them.
 */
import type { EC2Client } from '@aws-sdk/client-ec2';
import { Ec2InstanceProvider } from '../../adapters/aws/ec2-instance-provider.ts';
import { LocalInstanceProvider } from '../../adapters/local/local-instance-provider.ts';
import type { Clouds } from '../../core/clouds.ts';
import type { Fleet } from '../../core/fleet.ts';
import type { Architecture } from '../../core/offer.ts';
import { isOwn } from '../../core/own-machines.ts';
import type { BlobStore, Clock, InstanceProvider, OfferSource } from '../../core/ports.ts';

/** Who rents machines out, and for how much. */
export interface RentedMachines {
  readonly provider: InstanceProvider;
  readonly offers: OfferSource;
}

/** What the machines of another cloud are launched with. */
export interface CloudMachinesOptions {
  readonly stage: string;
  readonly clock: Clock;
  /** AWS's: keeps prices, and what came of launches. */
  readonly blobs: BlobStore;
  /** Of bootstrap.sh, which is in that cloud's bucket under it. */
  readonly bootstrapSha256: string;
}

export interface ProviderOptions {
  readonly stage: string;
  /** The local run: machines are processes. */
  readonly local:
    | {
        readonly instancesDir: string;
        readonly bootstrap: string;
        /** What every local machine gets beside its launch request: where the emulated services are. */
        readonly environment: Readonly<Record<string, string>>;
      }
    | undefined;
  readonly ec2:
    | {
        readonly client: EC2Client;
        readonly subnetIds: readonly string[];
        readonly images: Readonly<Record<Architecture, string>>;
        readonly offers: OfferSource;
      }
    | undefined;
  /** Of the clouds that `fleets.yml` declares. */
  readonly clouds?: Readonly<Partial<Record<keyof Clouds, RentedMachines>>>;
}

export interface Providers {
  /** `undefined` for machines of somebody's own, and for a provider that this version cannot launch with: the plan says so. */
  readonly providerOf: (fleet: Fleet) => InstanceProvider | undefined;
  /** `undefined` where machines are not rented. */
  readonly offersOf: (fleet: Fleet) => OfferSource | undefined;
}

export function providersFor({ stage, local, ec2, clouds = {} }: ProviderOptions): Providers {
  if (local) {
    const { instancesDir: stateDir, bootstrap: bootstrapPath, environment: baseEnvironment } = local;
    const provider = new LocalInstanceProvider({ stateDir, bootstrapPath, baseEnvironment });
    return { providerOf: (fleet) => (isOwn(fleet) ? undefined : provider), offersOf: () => undefined };
  }
  const aws = ec2 && { provider: new Ec2InstanceProvider({ ...ec2, stage }), offers: ec2.offers };
  const rented: Partial<Record<Fleet['provider'], RentedMachines | undefined>> = { ...clouds, aws };
  return {
    providerOf: (fleet) => rented[fleet.provider]?.provider,
    offersOf: (fleet) => rented[fleet.provider]?.offers,
  };
}
