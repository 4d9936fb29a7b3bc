import { describe, expect, it } from 'vitest';
import type { Waker } from '../../core/ports.ts';

export interface WakerSetup {
  readonly waker: Waker;
  /** How often the scaler was asked to look. */
  wakes(): Promise<number>;
}

export function describeWakerContract(name: string, setup: () => Promise<WakerSetup>): void {
  describe(`Waker: ${name}`, () => {
    it('asks the scaler to look, once a call', async () => {
      const { waker, wakes } = await setup();

      await waker.wake();
      await waker.wake();

      expect(await wakes()).toBe(2);
    });
  });
}
