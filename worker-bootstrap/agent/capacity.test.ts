import { describe, expect, it } from 'vitest';
import { type Capacity, fits, needOf, timesIn, without } from './capacity.ts';

const room = (vcpus: number, memoryMiB: number, diskGiB = 100): Capacity => ({ vcpus, memoryMiB, diskGiB });
const slot = room(1, 1_024, 5);

describe('the capacity of a machine', () => {
  it('is asked for by the job, or a slot at a time', () => {
    expect(needOf({ resources: { vcpu: 2, memoryMiB: 512, diskGiB: 5 } }, slot)).toEqual(room(2, 512, 5));
    expect(needOf({}, slot)).toEqual(slot);
  });

  it.each([
    [room(4, 8_192), 4],
    [room(16, 3_000), 2],
    [room(16, 16_384, 18), 3],
    [room(0.9, 8_192), 0],
  ])('holds as many slots as its scarcer part allows', (machine, slots) => {
    expect(timesIn(slot, machine)).toBe(slots);
    expect(fits(slot, machine)).toBe(slots > 0);
  });

  it('loses nothing to rounding', () => {
    const tenth = room(0.1, 10, 0.1);
    const nine = without(
      room(1, 100, 1),
      Array.from({ length: 9 }, () => tenth),
    );

    expect(fits(tenth, nine)).toBe(true);
    expect(timesIn(tenth, room(0.3, 30, 0.3))).toBe(3);
    expect(fits(tenth, without(nine, [tenth]))).toBe(false);
  });
});
