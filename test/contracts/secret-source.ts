import { describe, expect, it } from 'vitest';
import type { SecretSource } from '../../core/ports.ts';

export interface SecretSourceSetup {
  readonly secrets: SecretSource;
  /** Stores a secret, as an operator would. */
  put(name: string, value: string): Promise<void>;
}

export function describeSecretSourceContract(name: string, setup: () => Promise<SecretSourceSetup>): void {
  describe(`SecretSource: ${name}`, () => {
    it.each(['acme', 'github/acme', 'a.b-c_d/0', 'x'.repeat(100)])('finds a secret called %s', async (called) => {
      const { secrets, put } = await setup();
      await put(called, 'github_pat_1');

      expect(await secrets.find(called)).toBe('github_pat_1');
    });

    it('gives a value of many lines as it was stored', async () => {
      const { secrets, put } = await setup();
      const value = JSON.stringify({ privateKey: '-----BEGIN\nÄ"\\\n-----END' }, null, 2);
      await put('app', value);

      expect(await secrets.find('app')).toBe(value);
    });

    it('gives the value that is stored now, not one of before', async () => {
      const { secrets, put } = await setup();
      await put('acme', 'old');
      await secrets.find('acme');
      await put('acme', 'new');

      expect(await secrets.find('acme')).toBe('new');
    });

    it.each(['nobody', 'acm', 'acme/', 'acme/sub', 'github'])('has no secret called %s', async (called) => {
      const { secrets, put } = await setup();
      await put('acme', 'one');
      await put('github/acme', 'two');

      expect(await secrets.find(called)).toBeUndefined();
    });

    it.each(['', '.', '..', '../acme', 'github/../acme', '/acme', 'github//acme', 'a\0b', 'ä', '__proto__', 'a b'])(
      'takes %j for the name of no secret',
      async (called) => {
        const { secrets, put } = await setup();
        await put('acme', 'one');
        await put('github/acme', 'two');

        expect(await secrets.find(called)).toBeUndefined();
      },
    );
  });
}
