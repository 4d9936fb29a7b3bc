import type { Resources } from './code.ts';
import type { Fleet } from './fleet.ts';

/** How much of a machine one task takes, counted in slots of its fleet: it is the scarcest part that counts. */
export const slotsPerTask = (resources: Resources | null, slot: Fleet['slot']): number =>
  resources
    ? Math.max(resources.vcpu / slot.vcpu, resources.memoryMiB / slot.memoryMiB, resources.diskGiB / slot.diskGiB)
    : 1;
