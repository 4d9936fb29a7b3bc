/**
 * Common machine types of Compute Engine and what they cost in us-central1 (Linux): enough to estimate by while nothing newer
 * is known.
 *
 * Prices as in version 8 of the catalogue that SkyPilot generates from Google's Cloud Billing Catalog (Apache-2.0), whose
 * files name no day: it is at least as new as the date given here. Within a series a price follows vCPUs and memory, so that
 * sizes of one shape are multiples of one. Types that share their cores are left out: a batch uses up what they may burst.
 */
import type { Architecture } from '../../core/offer.ts';

export const GCE_OBSERVED_AT = '2025-11-01T00:00:00.000Z';

interface Shape {
  readonly shape: string;
  readonly architecture: Architecture;
  readonly vcpus: readonly number[];
  /** Of one vCPU. */
  readonly memoryGiB: number;
  readonly onDemandUsdPerHour: number;
  readonly spotUsdPerHour: number;
}

const SHAPES: readonly Shape[] = [
  {
    shape: 'e2-standard',
    architecture: 'x86_64',
    vcpus: [2, 4, 8, 16, 32],
    memoryGiB: 4,
    onDemandUsdPerHour: 0.13402 / 4,
    spotUsdPerHour: 0.05879 / 4,
  },
  {
    shape: 't2d-standard',
    architecture: 'x86_64',
    vcpus: [1, 2, 4, 8, 16, 32, 48, 60],
    memoryGiB: 4,
    onDemandUsdPerHour: 0.08449 / 2,
    spotUsdPerHour: 0.01605 / 2,
  },
  {
    shape: 'n4-highcpu',
    architecture: 'x86_64',
    vcpus: [2, 4, 8, 16, 32, 48, 64],
    memoryGiB: 2,
    onDemandUsdPerHour: 0.15308 / 4,
    spotUsdPerHour: 0.05666 / 4,
  },
];

/** Shapes whose memory is no multiple of their vCPUs, as they are. */
const SINGLE: readonly GceCatalogueType[] = [
  {
    instanceType: 'c4-standard-8',
    architecture: 'x86_64',
    vcpus: 8,
    memoryMiB: 30 * 1_024,
    onDemandUsdPerHour: 0.39534,
    spotUsdPerHour: 0.18822,
  },
  {
    instanceType: 'c4d-highcpu-2',
    architecture: 'x86_64',
    vcpus: 2,
    memoryMiB: 3 * 1_024,
    onDemandUsdPerHour: 0.07589,
    spotUsdPerHour: 0.02956,
  },
  {
    instanceType: 'c4d-highcpu-4',
    architecture: 'x86_64',
    vcpus: 4,
    memoryMiB: 7 * 1_024,
    onDemandUsdPerHour: 0.15528,
    spotUsdPerHour: 0.06048,
  },
  {
    instanceType: 'c4d-highcpu-8',
    architecture: 'x86_64',
    vcpus: 8,
    memoryMiB: 15 * 1_024,
    onDemandUsdPerHour: 0.31406,
    spotUsdPerHour: 0.12232,
  },
  {
    instanceType: 'c4d-standard-8',
    architecture: 'x86_64',
    vcpus: 8,
    memoryMiB: 31 * 1_024,
    onDemandUsdPerHour: 0.36999,
    spotUsdPerHour: 0.14408,
  },
];

export interface GceCatalogueType {
  readonly instanceType: string;
  readonly architecture: Architecture;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly onDemandUsdPerHour: number;
  readonly spotUsdPerHour: number;
}

export const GCE_TYPES: readonly GceCatalogueType[] = [
  ...SHAPES.flatMap(({ shape, architecture, vcpus, memoryGiB, onDemandUsdPerHour, spotUsdPerHour }) =>
    vcpus.map((count) => ({
      instanceType: `${shape}-${count}`,
      architecture,
      vcpus: count,
      memoryMiB: count * memoryGiB * 1_024,
      onDemandUsdPerHour: count * onDemandUsdPerHour,
      spotUsdPerHour: count * spotUsdPerHour,
    })),
  ),
  ...SINGLE,
];
