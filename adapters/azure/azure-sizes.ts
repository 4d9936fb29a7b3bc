/** The machine sizes of a region that this subscription may rent, and what each has ("Resource Skus - List"). */
import { z } from 'zod';
import { ARCHITECTURES } from '../../core/offer.ts';
import type { ArmClient } from './arm-client.ts';

const SKUS_VERSION = '2021-07-01';

export const azureSizeSchema = z.object({
  instanceType: z.string(),
  architecture: z.enum(ARCHITECTURES),
  vcpus: z.number().positive(),
  memoryMiB: z.int().positive(),
  gpus: z.object({ count: z.int().positive(), model: z.string() }).nullable(),
  /** Whether it is to be had as spot at all. */
  spot: z.boolean(),
});
export type AzureSize = z.infer<typeof azureSizeSchema>;

const skuSchema = z.object({
  resourceType: z.string(),
  name: z.string(),
  capabilities: z.array(z.object({ name: z.string(), value: z.string() })).default([]),
  restrictions: z.array(z.object({ type: z.string().optional() })).default([]),
});

const ARCHITECTURE_NAMES: Readonly<Record<string, AzureSize['architecture']>> = { x64: 'x86_64', Arm64: 'arm64' };
/** Those that burst: a batch uses up their credits, and is slowed down. */
const BURSTABLE = /^Standard_B/;

export async function readSizes(arm: ArmClient, region: string): Promise<readonly AzureSize[]> {
  const query = { 'api-version': SKUS_VERSION, $filter: `location eq '${region}'` };
  const skus = await arm.list(arm.inSubscription('/providers/Microsoft.Compute/skus', query));
  return skus.flatMap(sizeOf);
}

function sizeOf(sku: unknown): AzureSize[] {
  const parsed = skuSchema.safeParse(sku);
  if (!parsed.success || parsed.data.resourceType !== 'virtualMachines') return [];
  const { name, capabilities, restrictions } = parsed.data;
  const of = new Map(capabilities.map((each) => [each.name, each.value]));
  // A restriction of a zone is none for us: machines are launched into a region.
  if (restrictions.some(({ type }) => type === 'Location') || BURSTABLE.test(name) || !isBootable(of)) return [];
  const gpus = Number(of.get('GPUs') ?? 0);
  const size = azureSizeSchema.safeParse({
    instanceType: name,
    architecture: ARCHITECTURE_NAMES[of.get('CpuArchitectureType') ?? 'x64'],
    // Sizes with fewer cores than their machine has ("Constrained vCPU sizes").
    vcpus: Number(of.get('vCPUsAvailable') ?? of.get('vCPUs')),
    memoryMiB: Math.round(Number(of.get('MemoryGB')) * 1_024),
    gpus: gpus >= 1 ? { count: gpus, model: gpuModel(name) } : null,
    spot: of.get('LowPriorityCapable') === 'True',
  });
  return size.success ? [size.data] : [];
}

/** By our images: of the second generation, on a SCSI disk, on a machine that shows its memory to its host. */
function isBootable(of: ReadonlyMap<string, string>): boolean {
  const disks = of.get('DiskControllerTypes');
  return (
    (of.get('HyperVGenerations') ?? 'V2').includes('V2') &&
    (disks === undefined || disks.includes('SCSI')) &&
    !of.has('ConfidentialComputingType')
  );
}

/** `Standard_NC4as_T4_v3` → `T4`: no capability says it. */
const gpuModel = (name: string): string =>
  /_((?:A|H|T|V|L|MI)\d+\w*?)(?:_|$)/.exec(name)?.[1] ?? (/^Standard_NC\d+r?s_v3$/.test(name) ? 'V100' : 'unknown');
