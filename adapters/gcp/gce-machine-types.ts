/** The machine types of a region that a batch can use, and what each has ("machineTypes.list"). */
import { z } from 'zod';
import type { GcpCloud } from '../../core/clouds.ts';
import { ARCHITECTURES } from '../../core/offer.ts';
import { nameOfLink } from './gce-instance-id.ts';
import { computeUrl } from './gce-url.ts';
import type { GoogleRest } from './google-rest.ts';

export const machineTypeSchema = z.object({
  instanceType: z.string(),
  architecture: z.enum(ARCHITECTURES),
  vcpus: z.number().positive(),
  memoryMiB: z.int().positive(),
  gpus: z.object({ count: z.int().positive(), model: z.string() }).nullable(),
});
export type MachineType = z.infer<typeof machineTypeSchema>;

/** Series that take Hyperdisk only ("Machine series support for Hyperdisk"). */
const HYPERDISK_ONLY = /^(?:a4|a4x|c4|c4a|c4d|c4n|g4|h4d|m4|n4|n4a|n4d|x4)-/;
/** The disk that a machine of this type boots from. */
export const diskTypeOf = (instanceType: string): 'hyperdisk-balanced' | 'pd-balanced' =>
  HYPERDISK_ONLY.test(instanceType) ? 'hyperdisk-balanced' : 'pd-balanced';

/** Local SSDs are paid for beside the type, bare metal boots for minutes. */
const LEFT_OUT = /-lssd$|-metal$|-custom-/;

const regionSchema = z.object({ zones: z.array(z.string()).default([]) });
const pageSchema = z.object({
  items: z
    .array(
      z.object({
        name: z.string(),
        guestCpus: z.number().optional(),
        memoryMb: z.number().optional(),
        isSharedCpu: z.boolean().optional(),
        architecture: z.string().optional(),
        accelerators: z
          .array(z.object({ guestAcceleratorType: z.string(), guestAcceleratorCount: z.int() }))
          .optional(),
      }),
    )
    .default([]),
  nextPageToken: z.string().optional(),
});
type Listed = z.infer<typeof pageSchema>['items'][number];

const FIELDS = 'nextPageToken,items(name,guestCpus,memoryMb,isSharedCpu,architecture,accelerators)';

export async function readMachineTypes(rest: GoogleRest, cloud: GcpCloud): Promise<readonly MachineType[]> {
  const { zones } = await rest.demand({ url: computeUrl(cloud, `regions/${cloud.region}`), answer: regionSchema });
  const listed = await Promise.all(zones.map((link) => typesOfZone(rest, cloud, nameOfLink(link))));
  const types = listed.flat().flatMap(machineType);
  return [...new Map(types.map((type) => [type.instanceType, type])).values()];
}

async function typesOfZone(rest: GoogleRest, cloud: GcpCloud, zone: string): Promise<Listed[]> {
  const types: Listed[] = [];
  let pageToken: string | undefined;
  do {
    const page = await rest.demand({
      url: computeUrl(cloud, `zones/${zone}/machineTypes`),
      query: { maxResults: '500', fields: FIELDS, pageToken },
      answer: pageSchema,
    });
    types.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken);
  return types;
}

/** None that shares its cores: a batch uses up what it may burst. */
function machineType(listed: Listed): MachineType[] {
  const { name, guestCpus, memoryMb, isSharedCpu, architecture, accelerators = [] } = listed;
  if (isSharedCpu || LEFT_OUT.test(name)) return [];
  const [gpu] = accelerators;
  const parsed = machineTypeSchema.safeParse({
    instanceType: name,
    architecture: architecture === 'ARM64' ? 'arm64' : 'x86_64',
    vcpus: guestCpus,
    memoryMiB: memoryMb,
    gpus: gpu ? { count: gpu.guestAcceleratorCount, model: gpu.guestAcceleratorType } : null,
  });
  return parsed.success ? [parsed.data] : [];
}
