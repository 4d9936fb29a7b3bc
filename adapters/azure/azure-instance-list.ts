/**
 * What ARM says of our machines: those of the resource group, found by their tags. Whether one is switched off is in no list
 * but that of the whole subscription ("Virtual Machines - List All", statusOnly), which is asked if there are any.
 *
 * ARM has no word for a spot machine that was evicted: by our eviction policy it is deleted, and listed no more ("Use Azure
 * Spot Virtual Machines"). The activity log knows that it was deleted, minutes later, and not why. So nothing is said of one
 * that is gone (docs/adr/0024-gone-before-it-was-ready.md).
 */
import { z } from 'zod';
import type { ObservedInstance } from '../../core/reconcile-instances.ts';
import type { ArmClient } from './arm-client.ts';
import { classifyLaunchError } from './azure-launch-errors.ts';
import { COMPUTE_VERSION, TAGS } from './azure-machine-request.ts';

const machineSchema = z.object({
  id: z.string(),
  name: z.string(),
  tags: z.record(z.string(), z.string()).default({}),
  properties: z.object({
    provisioningState: z.string().default(''),
    timeCreated: z.string(),
    hardwareProfile: z.object({ vmSize: z.string() }).optional(),
  }),
});
type Machine = z.infer<typeof machineSchema>;

const statusSchema = z.object({
  id: z.string(),
  properties: z.object({
    instanceView: z.object({ statuses: z.array(z.object({ code: z.string().default('') })).default([]) }).optional(),
  }),
});

const PATH = '/providers/Microsoft.Compute/virtualMachines';
/** "States and billing status of Azure Virtual Machines". */
const STOPPED = new Set(['stopping', 'stopped', 'deallocating', 'deallocated']);
/** Of these, what a machine does to itself: only Azure or a person deallocates it. */
const SWITCHED_OFF = new Set(['stopping', 'stopped']);

/** Of a machine's instance view. */
interface Status {
  readonly power: string | undefined;
  /** The code of what it could not be made for: `ProvisioningState/failed/AllocationFailed`. */
  readonly failure: string | undefined;
}

export async function listInstances(
  arm: ArmClient,
  stage: string,
  fleets: readonly string[],
): Promise<readonly ObservedInstance[]> {
  const listed = await arm.list(arm.inGroup(PATH, { 'api-version': COMPUTE_VERSION }));
  const machines = listed.flatMap((each) => {
    const parsed = machineSchema.safeParse(each);
    return parsed.success && isOurs(parsed.data, stage, fleets) ? [parsed.data] : [];
  });
  if (machines.length === 0) return [];
  const statuses = await statusesById(arm);
  return machines.map((machine) => observed(machine, statuses.get(machine.id.toLowerCase())));
}

function isOurs({ tags }: Machine, stage: string, fleets: readonly string[]): boolean {
  const fleet = tags[TAGS.fleet];
  return tags[TAGS.stage] === stage && fleet !== undefined && (fleets.length === 0 || fleets.includes(fleet));
}

/** By the machine's id, which is the same in any case. */
async function statusesById(arm: ArmClient): Promise<ReadonlyMap<string, Status>> {
  const query = { 'api-version': COMPUTE_VERSION, statusOnly: 'true' };
  const statuses = new Map<string, Status>();
  for (const each of await arm.list(arm.inSubscription(PATH, query))) {
    const parsed = statusSchema.safeParse(each);
    if (!parsed.success) continue;
    const codes = parsed.data.properties.instanceView?.statuses.map(({ code }) => code) ?? [];
    const after = (start: string): string | undefined =>
      codes.find((code) => code.startsWith(start))?.slice(start.length);
    const status = { power: after('PowerState/'), failure: after('ProvisioningState/failed/') };
    statuses.set(parsed.data.id.toLowerCase(), status);
  }
  return statuses;
}

function observed({ name, tags, properties }: Machine, status: Status | undefined): ObservedInstance {
  const { provisioningState, timeCreated, hardwareProfile } = properties;
  const isDeleted = provisioningState === 'Deleting';
  const stopped = isDeleted ? undefined : whyStopped(provisioningState, status);
  const expiresAt = tags[TAGS.expiresAt];
  return {
    instanceId: name,
    fleet: tags[TAGS.fleet] ?? '',
    intentId: tags[TAGS.intent] ?? null,
    running: !isDeleted && !stopped,
    launchedAt: new Date(timeCreated).toISOString(),
    ...(hardwareProfile ? { instanceType: hardwareProfile.vmSize } : {}),
    ...(expiresAt ? { expiresAt } : {}),
    ...(stopped ? { stopped: true, ...stopped } : {}),
  };
}

function whyStopped(
  provisioningState: string,
  status: Status | undefined,
): Pick<ObservedInstance, 'endReason' | 'interrupted'> | undefined {
  const { power, failure } = status ?? {};
  // One that could not be made is there all the same, with its disk and its address.
  if (provisioningState === 'Failed') {
    const endReason = failure ? `it could not be made: ${failure}` : 'it could not be made';
    return { endReason, interrupted: classifyLaunchError({ code: failure ?? '', message: '' }) === 'out-of-capacity' };
  }
  if (power === undefined || !STOPPED.has(power)) return undefined;
  return { endReason: `it is ${power}`, ...(SWITCHED_OFF.has(power) ? { interrupted: false } : {}) };
}
