import { describe, expect, it } from 'vitest';
import type { KeyStore } from '../../core/ports.ts';
import { START } from '../factories/manual-clock.ts';

const key = { keyId: 'key_1', name: 'laptop', createdAt: START };

/** @param setup an empty store */
export function describeKeyStoreContract(name: string, setup: () => Promise<KeyStore>): void {
  describe(`KeyStore: ${name}`, () => {
    it('finds a key by its hash alone', async () => {
      const store = await setup();
      await store.put('a'.repeat(64), key);

      expect(await store.find('a'.repeat(64))).toEqual(key);
      expect(await store.find('b'.repeat(64))).toBeUndefined();
    });

    it('replaces a key that is put again', async () => {
      const store = await setup();
      await store.put('a'.repeat(64), key);

      await store.put('a'.repeat(64), { ...key, name: 'desktop' });

      expect(await store.find('a'.repeat(64))).toEqual({ ...key, name: 'desktop' });
    });
  });
}
