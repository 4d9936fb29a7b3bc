/** What a machine has and what its tasks take of it: how many run at a time follows from vCPUs, memory and disk. */
import type { TaskMessage } from '../../core/messages.ts';

export interface Capacity {
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly diskGiB: number;
}

/** Thirds and tenths of a vCPU add up to a whole one, whatever floating point says. */
const TOLERANCE = 1e-6;

/** What a task takes: its job's `resources`, a slot of the fleet when it names none. */
export const needOf = ({ resources }: Pick<TaskMessage, 'resources'>, slot: Capacity): Capacity =>
  resources ? { vcpus: resources.vcpu, memoryMiB: resources.memoryMiB, diskGiB: resources.diskGiB } : slot;

export const fits = (need: Capacity, room: Capacity): boolean =>
  need.vcpus <= room.vcpus + TOLERANCE &&
  need.memoryMiB <= room.memoryMiB + TOLERANCE &&
  need.diskGiB <= room.diskGiB + TOLERANCE;

/** How many such tasks run in that room at a time. */
export const timesIn = (need: Capacity, room: Capacity): number => {
  const times = [room.vcpus / need.vcpus, room.memoryMiB / need.memoryMiB, room.diskGiB / need.diskGiB];
  return Math.max(0, Math.floor(Math.min(...times) + TOLERANCE));
};

export const without = (room: Capacity, taken: Iterable<Capacity>): Capacity => {
  let { vcpus, memoryMiB, diskGiB } = room;
  for (const need of taken) {
    vcpus -= need.vcpus;
    memoryMiB -= need.memoryMiB;
    diskGiB -= need.diskGiB;
  }
  return { vcpus, memoryMiB, diskGiB };
};
