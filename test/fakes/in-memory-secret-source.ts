import { TransientError } from '../../core/errors.ts';
import type { SecretSource } from '../../core/ports.ts';

export class InMemorySecretSource implements SecretSource {
  /** While true, the store does not answer. */
  unreachable = false;
  readonly #secrets: Map<string, string>;

  constructor(secrets: Readonly<Record<string, string>> = {}) {
    this.#secrets = new Map(Object.entries(secrets));
  }

  put(name: string, value: string): void {
    this.#secrets.set(name, value);
  }

  async find(name: string): Promise<string | undefined> {
    if (this.unreachable) throw new TransientError('the store of secrets does not answer');
    return this.#secrets.get(name);
  }
}
