/** What a machine has and what its tasks take of it: how many run at a time follows from vCPUs and memory. */
import type { TaskMessage } from '../../core/messages.ts';

export interface Capacity {
  readonly vcpus: number;
  readonly memoryMiB: number;
}

/** Thirds and tenths of a vCPU add up to a whole one, whatever floating point says. */
const TOLERANCE = 1e-6;

/** What a task takes: its job's `resources`, a slot of the fleet when it names none. */
export const needOf = ({ resources }: Pick<TaskMessage, 'resources'>, slot: Capacity): Capacity =>
  resources ? { vcpus: resources.vcpu, memoryMiB: resources.memoryMiB } : slot;

export const fits = (need: Capacity, room: Capacity): boolean =>
  need.vcpus <= room.vcpus + TOLERANCE && need.memoryMiB <= room.memoryMiB + TOLERANCE;

/** How many such tasks run in that room at a time. */
export const timesIn = (need: Capacity, room: Capacity): number =>
  Math.max(0, Math.floor(Math.min(room.vcpus / need.vcpus, room.memoryMiB / need.memoryMiB) + TOLERANCE));

export const without = (room: Capacity, taken: Iterable<Capacity>): Capacity => {
  let { vcpus, memoryMiB } = room;
  for (const need of taken) {
    vcpus -= need.vcpus;
    memoryMiB -= need.memoryMiB;
  }
  return { vcpus, memoryMiB };
};
