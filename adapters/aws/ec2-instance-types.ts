/** The instance types of a region that a batch can use, and what each has ("DescribeInstanceTypes"). */
import { DescribeInstanceTypesCommand, type EC2Client, type InstanceTypeInfo } from '@aws-sdk/client-ec2';
import { z } from 'zod';
import { ARCHITECTURES } from '../../core/offer.ts';

export const instanceTypeSchema = z.object({
  instanceType: z.string(),
  architecture: z.enum(ARCHITECTURES),
  vcpus: z.number().positive(),
  memoryMiB: z.int().positive(),
  gpus: z.object({ count: z.int().positive(), model: z.string() }).nullable(),
});
export type InstanceType = z.infer<typeof instanceTypeSchema>;

/**
 * Of the present generation, no bare metal (it boots for minutes), none that bursts (a batch uses up its credits, and is
 * slowed down or billed extra).
 */
const FILTERS = [
  { Name: 'current-generation', Values: ['true'] },
  { Name: 'bare-metal', Values: ['false'] },
  { Name: 'burstable-performance-supported', Values: ['false'] },
  { Name: 'supported-usage-class', Values: ['spot'] },
];

export async function readInstanceTypes(client: EC2Client): Promise<readonly InstanceType[]> {
  const types: InstanceType[] = [];
  let NextToken: string | undefined;
  do {
    const answer = await client.send(
      new DescribeInstanceTypesCommand({ Filters: FILTERS, MaxResults: 100, NextToken }),
    );
    types.push(...(answer.InstanceTypes ?? []).flatMap(instanceType));
    NextToken = answer.NextToken;
  } while (NextToken);
  return types;
}

function instanceType({
  InstanceType,
  ProcessorInfo,
  VCpuInfo,
  MemoryInfo,
  GpuInfo,
}: InstanceTypeInfo): InstanceType[] {
  const [gpu] = GpuInfo?.Gpus ?? [];
  const parsed = instanceTypeSchema.safeParse({
    instanceType: InstanceType,
    architecture: ARCHITECTURES.find((each) => ProcessorInfo?.SupportedArchitectures?.includes(each)),
    vcpus: VCpuInfo?.DefaultVCpus,
    memoryMiB: MemoryInfo?.SizeInMiB,
    gpus: gpu ? { count: gpu.Count, model: gpu.Name } : null,
  });
  // One of an architecture that nothing here runs on.
  return parsed.success ? [parsed.data] : [];
}
