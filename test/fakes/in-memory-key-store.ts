import type { ApiKey, KeyStore } from '../../core/ports.ts';

export class InMemoryKeyStore implements KeyStore {
  readonly #keys = new Map<string, ApiKey>();

  async find(keyHash: string): Promise<ApiKey | undefined> {
    return structuredClone(this.#keys.get(keyHash));
  }

  async put(keyHash: string, key: ApiKey): Promise<void> {
    this.#keys.set(keyHash, structuredClone(key));
  }
}
