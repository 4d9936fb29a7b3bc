/** The queues, the status channel and the bucket of the cloud that this machine's fleet is in. Only that cloud's code is evaluated. */
import type { BlobStore, Clock, ControlChannel, StatusChannel, TaskQueues } from '../../core/ports.ts';
import type { AgentConfig } from './config.ts';

export interface Bucket {
  readonly control: ControlChannel;
  readonly blobs: BlobStore;
}

export interface AgentServices {
  readonly queues: TaskQueues;
  readonly status: StatusChannel;
  readonly openBucket: () => Promise<Bucket>;
}

export type ServicesConfig = Pick<
  AgentConfig,
  'services' | 'stage' | 'instanceId' | 'queueUrlPrefix' | 'statusQueueUrl' | 'bucket' | 'metadataUrl'
>;

/** @param onRenewalFailed told when leases could not be renewed, in a cloud where they are */
export async function openServices(
  config: ServicesConfig,
  clock: Clock,
  onRenewalFailed: (error: unknown) => void,
): Promise<AgentServices> {
  switch (config.services) {
    case 'aws':
      return (await import('./services-on-aws.ts')).servicesOnAws(config);
    case 'gcp':
      return (await import('./services-on-gcp.ts')).servicesOnGcp(config, clock, onRenewalFailed);
    case 'azure':
      return (await import('./services-on-azure.ts')).servicesOnAzure(config, clock, onRenewalFailed);
  }
}
