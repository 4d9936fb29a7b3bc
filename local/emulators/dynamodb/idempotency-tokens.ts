import { createHash } from 'node:crypto';
import { AwsError } from '../protocol/aws-error.ts';

const lifetimeMilliseconds = 10 * 60_000;

/** The client request tokens of the transactions that went through in the last ten minutes. */
export class IdempotencyTokens {
  readonly #now: () => number;
  /** Oldest first, as insertion goes. */
  readonly #requests = new Map<string, { hash: string; at: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Whether this very request went through before under this token.
   *
   * @throws {AwsError} `IdempotentParameterMismatchException` when another request did
   */
  isRepeat(token: string | undefined, request: unknown): boolean {
    this.#expire();
    const known = token === undefined ? undefined : this.#requests.get(token);
    if (known === undefined) return false;
    if (known.hash === hashOf(request)) return true;
    throw new AwsError(
      'IdempotentParameterMismatchException',
      'The request uses the same client token as a previous, but non-identical request.',
    );
  }

  remember(token: string | undefined, request: unknown): void {
    if (token !== undefined) this.#requests.set(token, { hash: hashOf(request), at: this.#now() });
  }

  #expire(): void {
    const oldestKept = this.#now() - lifetimeMilliseconds;
    for (const [token, { at }] of this.#requests) {
      if (at > oldestKept) return;
      this.#requests.delete(token);
    }
  }
}

function hashOf(request: unknown): string {
  return createHash('sha256').update(JSON.stringify(request)).digest('hex');
}
