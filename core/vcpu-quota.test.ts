import { describe, expect, it } from 'vitest';
import type { MachineShape } from './choose-instances.ts';
import { type FleetNeeds, machinesWithin, quotaNeeds } from './vcpu-quota.ts';

const shape = (instanceType: string, vcpus: number, over: Partial<MachineShape> = {}): MachineShape => ({
  instanceType,
  architecture: 'arm64',
  vcpus,
  memoryMiB: vcpus * 2_048,
  gpus: null,
  ...over,
});

const MACHINES = [
  shape('x2gd.medium', 1, { memoryMiB: 16_384 }),
  shape('m7g.medium', 1, { memoryMiB: 4_096 }),
  shape('c7g.medium', 1),
  shape('c7g.4xlarge', 16),
  shape('g5g.xlarge', 4, { gpus: { count: 1, model: 'T4g' } }),
  shape('mystery.large', 2),
];

const quotaOf = (instanceType: string): string | undefined =>
  ({ x: 'X', g: 'G', c: 'Standard' })[instanceType.charAt(0)] ??
  (instanceType === 'm7g.medium' ? 'Standard' : undefined);

const needsOf = (over: Partial<FleetNeeds> = {}) => {
  const fleet: FleetNeeds = {
    slot: { vcpu: 1, memoryMiB: 1_024, diskGiB: 5 },
    architectures: ['arm64'],
    allowedTypes: [],
    gpu: null,
    ...over,
  };
  return quotaNeeds(fleet, MACHINES, quotaOf).map(({ quota, smallest }) => `${quota}: ${smallest.instanceType}`);
};

describe('the quotas that a fleet draws on', () => {
  it('are each held against the smallest machine that holds a slot; more machines count against the first', () => {
    expect(needsOf()).toEqual(['Standard: c7g.medium', 'X: x2gd.medium']);
  });

  it('follow what the fleet asks of a machine', () => {
    expect(needsOf({ slot: { vcpu: 8, memoryMiB: 1_024, diskGiB: 5 } })).toEqual(['Standard: c7g.4xlarge']);
    expect(needsOf({ gpu: { count: 1, models: [] } })).toEqual(['G: g5g.xlarge']);
    expect(needsOf({ allowedTypes: ['x2gd.*'] })).toEqual(['X: x2gd.medium']);
    expect(needsOf({ architectures: ['x86_64'] })).toEqual([]);
  });

  it('hold whole machines only', () => {
    const need = { quota: 'Standard', smallest: shape('c7g.4xlarge', 16) };

    expect([15, 16, 40].map((limit) => machinesWithin(limit, need))).toEqual([0, 1, 2]);
  });
});
