import { seededRandom } from '../../local/emulators/faults/faults.ts';

/** The only source of chance in a run: from one seed follows everything. */
export class Random {
  /** In [0, 1). */
  readonly next: () => number;

  constructor(seed: number) {
    // Neighbouring seeds shall not begin alike.
    this.next = seededRandom(Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b));
    this.next();
  }

  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  /** A whole number, both ends included. */
  int(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** Of all magnitudes alike: as likely between 1 and 10 as between 10 and 100. */
  magnitude(least: number, most: number): number {
    return least * (most / least) ** this.next();
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }
}
