/** One machine as ARM takes it: its name, its tags, its body. Pure but for the key. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import type { Choice } from '../../core/choose-instances.ts';
import type { AzureCloud } from '../../core/clouds.ts';
import type { LaunchRequest } from '../../core/launch.ts';

export const COMPUTE_VERSION = '2024-07-01';
/** Of the network inside of a machine's body. */
const NETWORK_VERSION = '2023-11-01';

export const TAGS = {
  stage: 'shoal-stage',
  fleet: 'shoal-fleet',
  intent: 'shoal-intent',
  /** When the machine's lifetime ends: what the bridge's reaper goes by, which knows nothing else. */
  expiresAt: 'shoal-expires-at',
} as const;

/** A machine of ours, and nothing that would be another address. */
export const MACHINE_NAME = /^shoal-[a-z0-9-]{1,57}$/;

/**
 * The name of an intent's nth machine: whoever asks for it again asks for the same one. Names are per resource group, which
 * stages may share; a computer's name may have 64 characters ("Naming rules and restrictions for Azure resources").
 */
export function machineName(stage: string, { fleet, intentId }: LaunchRequest, n: number): string {
  const intent = createHash('sha256').update(`${stage}/${fleet}/${intentId}`).digest('hex').slice(0, 16);
  return `shoal-${fleet}-${intent}-${n}`;
}

export const machinePath = (name: string): string =>
  `/providers/Microsoft.Compute/virtualMachines/${encodeURIComponent(name)}`;

/** Deleted by force: nothing on it is to be saved, and it costs for as long as it is there. */
export const DELETE_QUERY = { 'api-version': COMPUTE_VERSION, forceDeletion: 'true' } as const;

export interface MachineOptions {
  readonly cloud: Pick<AzureCloud, 'region' | 'workerIdentityId' | 'subnetId' | 'images'>;
  readonly stage: string;
  readonly name: string;
  /** What it runs at its first boot. */
  readonly startupScript: string;
  readonly publicKey: string;
}

export function machineBody(request: LaunchRequest, { offer, diskGiB }: Choice, options: MachineOptions): unknown {
  const { cloud, stage, name, startupScript, publicKey } = options;
  const spot = offer.market === 'spot';
  return {
    location: cloud.region,
    tags: {
      [TAGS.stage]: stage,
      [TAGS.fleet]: request.fleet,
      [TAGS.intent]: request.intentId,
      ...(request.expiresAt ? { [TAGS.expiresAt]: request.expiresAt } : {}),
    },
    identity: { type: 'UserAssigned', userAssignedIdentities: { [cloud.workerIdentityId]: {} } },
    properties: {
      // Up to the price of the other market; taken back, it is gone, and its disk with it.
      ...(spot
        ? { priority: 'Spot', evictionPolicy: 'Delete', billingProfile: { maxPrice: -1 } }
        : { priority: 'Regular' }),
      hardwareProfile: { vmSize: offer.instanceType },
      storageProfile: {
        imageReference: imageReference(cloud.images[offer.architecture]),
        osDisk: {
          createOption: 'FromImage',
          deleteOption: 'Delete',
          diskSizeGB: diskGiB,
          managedDisk: { storageAccountType: 'StandardSSD_LRS' },
        },
      },
      osProfile: {
        computerName: name,
        adminUsername: 'shoal',
        customData: Buffer.from(startupScript).toString('base64'),
        linuxConfiguration: {
          disablePasswordAuthentication: true,
          ssh: { publicKeys: [{ path: '/home/shoal/.ssh/authorized_keys', keyData: publicKey }] },
        },
      },
      networkProfile: { networkApiVersion: NETWORK_VERSION, networkInterfaceConfigurations: [network(cloud.subnetId)] },
      scheduledEventsProfile: { terminateNotificationProfile: { enable: true, notBeforeTimeout: 'PT5M' } },
      diagnosticsProfile: { bootDiagnostics: { enabled: true } },
    },
  };
}

/** An address of its own is the way out; what may come in is the subnet's to say, which lets nothing. */
const network = (subnetId: string): unknown => ({
  name: 'nic',
  properties: {
    primary: true,
    deleteOption: 'Delete',
    ipConfigurations: [
      {
        name: 'ip',
        properties: {
          subnet: { id: subnetId },
          publicIPAddressConfiguration: {
            name: 'address',
            sku: { name: 'Standard', tier: 'Regional' },
            properties: { deleteOption: 'Delete', publicIPAllocationMethod: 'Static' },
          },
        },
      },
    ],
  },
});

/** `publisher:offer:sku:version`, or the id of an image of one's own. */
function imageReference(image: string): Readonly<Record<string, string | undefined>> {
  if (image.startsWith('/')) return { id: image };
  const [publisher, offer, sku, version = 'latest'] = image.split(':');
  return { publisher, offer, sku, version };
}

/**
 * ARM wants a key to log in with ("ssh.publicKeys", required without a password). Nobody is to log in: the private half is
 * thrown away where it is made. In the format of RFC 4253, 6.6.
 */
export function publicKeyOfNobody(): string {
  key ??= makeKey();
  return key;
}

/** Once a process: making one takes a while, and nobody's key is as good as another. */
let key: string | undefined;

function makeKey(): string {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const { e = '', n = '' } = publicKey.export({ format: 'jwk' });
  const [exponent, modulus] = [Buffer.from(e, 'base64url'), Buffer.from(n, 'base64url')];
  // A first bit that is set would make it a negative number.
  const parts = [Buffer.from('ssh-rsa'), exponent, Buffer.concat([Buffer.from([0]), modulus])];
  return `ssh-rsa ${Buffer.concat(parts.flatMap((part) => [lengthOf(part), part])).toString('base64')} shoal`;
}

function lengthOf(part: Buffer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(part.length);
  return bytes;
}
