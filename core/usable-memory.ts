/** What the kernel, the agent and git keep for themselves: 7 % of a machine's memory, at least 256 MiB. */
const RESERVED_SHARE = 0.07;
const RESERVED_MIB = 256;

/**
 * What a machine that is sold with so much memory has for tasks. Who rents machines and the machine itself must come to the
 * same number of slots.
 */
export const usableMemoryMiB = (nominalMiB: number): number =>
  Math.floor(nominalMiB - Math.max(RESERVED_MIB, nominalMiB * RESERVED_SHARE));
