/**
 * What ARM says of our machines: those of the resource group, found by their tags. Whether one is switched off is in no list
 * but that of the whole subscription ("Virtual Machines - List All", statusOnly), which is asked if there are any.
 */
import { z } from 'zod';
import type { ObservedInstance } from '../../core/reconcile-instances.ts';
import type { ArmClient } from './arm-client.ts';
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
  const power = await powerStates(arm);
  return machines.map((machine) => observed(machine, power.get(machine.id.toLowerCase())));
}

function isOurs({ tags }: Machine, stage: string, fleets: readonly string[]): boolean {
  const fleet = tags[TAGS.fleet];
  return tags[TAGS.stage] === stage && fleet !== undefined && (fleets.length === 0 || fleets.includes(fleet));
}

/** By the machine's id, which is the same in any case. */
async function powerStates(arm: ArmClient): Promise<ReadonlyMap<string, string>> {
  const query = { 'api-version': COMPUTE_VERSION, statusOnly: 'true' };
  const states = new Map<string, string>();
  for (const each of await arm.list(arm.inSubscription(PATH, query))) {
    const parsed = statusSchema.safeParse(each);
    const codes = parsed.data?.properties.instanceView?.statuses.map(({ code }) => code) ?? [];
    const power = codes.find((code) => code.startsWith('PowerState/'))?.slice('PowerState/'.length);
    if (parsed.success && power) states.set(parsed.data.id.toLowerCase(), power);
  }
  return states;
}

function observed({ name, tags, properties }: Machine, power: string | undefined): ObservedInstance {
  const { provisioningState, timeCreated, hardwareProfile } = properties;
  const isDeleted = provisioningState === 'Deleting';
  // One that could not be made is there all the same, with its disk and its address.
  const stopped = !isDeleted && (provisioningState === 'Failed' || (power !== undefined && STOPPED.has(power)));
  const expiresAt = tags[TAGS.expiresAt];
  return {
    instanceId: name,
    fleet: tags[TAGS.fleet] ?? '',
    intentId: tags[TAGS.intent] ?? null,
    running: !isDeleted && !stopped,
    launchedAt: new Date(timeCreated).toISOString(),
    ...(hardwareProfile ? { instanceType: hardwareProfile.vmSize } : {}),
    ...(expiresAt ? { expiresAt } : {}),
    ...(stopped
      ? { stopped: true, endReason: provisioningState === 'Failed' ? 'it could not be made' : `it is ${power}` }
      : {}),
  };
}
