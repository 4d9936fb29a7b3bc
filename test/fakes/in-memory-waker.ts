import type { Waker } from '../../core/ports.ts';

/** Counts how often the scaler was asked to look. */
export class InMemoryWaker implements Waker {
  wakes = 0;

  async wake(): Promise<void> {
    this.wakes += 1;
  }
}
