/**
 * Common Azure sizes and what they cost in eastus (Linux): enough to estimate by while nothing newer is known.
 *
 * Pay-as-you-go prices of December 2023 as in the data that Karpenter's provider for Azure generates from Microsoft's
 * Retail Prices API (Apache-2.0). Spot prices change, and are in no such data: here a spot machine costs what it costs at
 * most, for a spot machine without a maximum price never costs more than a regular one ("Use Azure Spot Virtual Machines").
 */
import type { Architecture } from '../../core/offer.ts';

export const AZURE_OBSERVED_AT = '2023-12-18T14:34:50.000Z';

type Series = readonly [
  name: (vcpus: number) => string,
  architecture: Architecture,
  memoryGiBPerVcpu: number,
  onDemandUsdPerHour: Readonly<Record<number, number>>,
];

const SERIES: readonly Series[] = [
  [(n) => `Standard_D${n}s_v5`, 'x86_64', 4, { 2: 0.096, 4: 0.192, 8: 0.384, 16: 0.768, 32: 1.536 }],
  [(n) => `Standard_D${n}as_v4`, 'x86_64', 4, { 2: 0.096, 4: 0.192, 8: 0.384, 16: 0.768, 32: 1.536 }],
  [(n) => `Standard_D${n}ls_v5`, 'x86_64', 2, { 2: 0.085, 4: 0.17, 8: 0.34, 16: 0.68, 32: 1.36 }],
  [(n) => `Standard_D${n}ps_v5`, 'arm64', 4, { 2: 0.077, 4: 0.154, 8: 0.308, 16: 0.616, 32: 1.232 }],
  [(n) => `Standard_D${n}pls_v5`, 'arm64', 2, { 2: 0.068, 4: 0.136, 8: 0.272, 16: 0.544, 32: 1.088 }],
  [(n) => `Standard_E${n}s_v5`, 'x86_64', 8, { 2: 0.126, 4: 0.252, 8: 0.504, 16: 1.008, 32: 2.016 }],
  [(n) => `Standard_E${n}ps_v5`, 'arm64', 8, { 2: 0.101, 4: 0.202, 8: 0.403, 16: 0.806, 32: 1.613 }],
  [(n) => `Standard_F${n}s_v2`, 'x86_64', 2, { 2: 0.0846, 4: 0.169, 8: 0.338, 16: 0.677, 32: 1.353 }],
];

export interface AzureCatalogueSize {
  readonly instanceType: string;
  readonly architecture: Architecture;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly onDemandUsdPerHour: number;
}

export const AZURE_SIZES: readonly AzureCatalogueSize[] = SERIES.flatMap(([name, architecture, memoryGiB, prices]) =>
  Object.entries(prices).map(([vcpus, onDemandUsdPerHour]) => ({
    instanceType: name(Number(vcpus)),
    architecture,
    vcpus: Number(vcpus),
    memoryMiB: Number(vcpus) * memoryGiB * 1_024,
    onDemandUsdPerHour,
  })),
);
