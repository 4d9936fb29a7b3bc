/** What a machine needs to know: the environment of its bootstrap and agent. Pure. */
import { addressesIn, type Clouds, servicesOf } from './clouds.ts';
import type { Fleet } from './fleet.ts';
import type { Services } from './ids.ts';

export interface MachineSettings {
  readonly stage: string;
  /** Whose queues and bucket the addresses are of; AWS, unless told. */
  readonly services?: Services;
  readonly region: string;
  readonly bucket: string;
  readonly queueUrlPrefix: string;
  readonly statusQueueUrl: string;
  readonly agentUrl: string;
  readonly agentSha256: string;
  readonly readyDeadlineSeconds: number;
}

/** An agent that has not said that it is ready by then is ended. */
export const READY_DEADLINE_SECONDS = 300;

/** The settings for machines of a fleet: with the addresses of the cloud that it is in. */
export function settingsFor(fleet: Fleet, settings: MachineSettings, clouds: Clouds): MachineSettings {
  const services = servicesOf(fleet, clouds);
  const addresses = addressesIn(services, clouds, settings.stage);
  if (!addresses) return settings;
  const { bucketUrl: bucket, ...queues } = addresses;
  // What machines run is in each cloud's bucket, under its hash; only a local run has it elsewhere.
  const agentUrl = settings.agentUrl || `${bucket}/artifacts/${settings.agentSha256}/agent.mjs`;
  return { ...settings, ...queues, services, bucket, agentUrl };
}

/** @param slots how many tasks it runs at a time; without it the machine goes by what it has */
export const machineEnvironment = (
  fleet: Fleet,
  settings: MachineSettings,
  slots?: number,
): Record<string, string> => ({
  AWS_REGION: settings.region,
  SHOAL_STAGE: settings.stage,
  SHOAL_FLEET: fleet.name,
  SHOAL_PROVIDER: fleet.provider,
  ...(settings.services ? { SHOAL_SERVICES: settings.services } : {}),
  ...(slots === undefined ? {} : { SHOAL_SLOTS: String(slots) }),
  SHOAL_SLOT_VCPU: String(fleet.slot.vcpu),
  SHOAL_SLOT_MEMORY_MIB: String(fleet.slot.memoryMiB),
  SHOAL_SLOT_DISK_GIB: String(fleet.slot.diskGiB),
  SHOAL_IDLE_SECONDS: String(fleet.idleSeconds),
  SHOAL_MAX_LIFETIME_SECONDS: String(fleet.maxLifetimeHours * 3_600),
  SHOAL_QUEUE_URL_PREFIX: settings.queueUrlPrefix,
  SHOAL_STATUS_QUEUE_URL: settings.statusQueueUrl,
  SHOAL_BUCKET: settings.bucket,
  SHOAL_AGENT_URL: settings.agentUrl,
  SHOAL_AGENT_SHA256: settings.agentSha256,
  SHOAL_READY_DEADLINE_SECONDS: String(settings.readyDeadlineSeconds),
});
