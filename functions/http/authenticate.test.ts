import { describe, expect, it } from 'vitest';
import { START } from '../../test/factories/manual-clock.ts';
import { InMemoryKeyStore } from '../../test/fakes/in-memory-key-store.ts';
import { authenticate, hashApiKey } from './authenticate.ts';

const apiKey = { keyId: 'key-1', name: 'laptop', createdAt: START };

async function prepare() {
  const keys = new InMemoryKeyStore();
  await keys.put(hashApiKey('shoal_secret'), apiKey);
  return keys;
}

describe('an API key', () => {
  it.each(['Bearer shoal_secret', 'bearer shoal_secret', 'Bearer   shoal_secret'])(
    'that we know lets its holder in (lesson 43): %s',
    async (header) => {
      expect(await authenticate(await prepare(), header)).toEqual(apiKey);
    },
  );

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Basic c2hvYWw6c2VjcmV0',
    'shoal_secret',
    'Bearer shoal_secret and more',
    `Bearer ${'x'.repeat(201)}`,
    'Bearer wrong',
    'Bearer __proto__',
  ])('is needed, and must be one of ours: %s', async (header) => {
    const keys = await prepare();

    await expect(authenticate(keys, header)).rejects.toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer' },
    });
  });

  it('is stored as its hash only', () => {
    expect(hashApiKey('shoal_secret')).toMatch(/^[0-9a-f]{64}$/);
  });
});
