/**
 * From the name of a credential to what a repository's host wants to see. A secret is either a token as it is, or a
 * GitHub App as JSON, of which a token for this repository is made. Values live in memory; no message quotes one.
 */
import { createHash } from 'node:crypto';
import { PermanentError } from '../../core/errors.ts';
import type { Clock, SecretSource } from '../../core/ports.ts';
import { isConfidential } from './credential-host.ts';
import { type GitHubApp, githubAppSchema, hostOfApp, mintInstallationToken } from './github-app.ts';

export type Authorization =
  /** `header` goes into `Authorization`; `hide` is what must be told to nobody. */
  | { readonly kind: 'authorized'; readonly header: string; readonly hide: readonly string[] }
  | { readonly kind: 'unusable'; readonly message: string };

export interface CredentialUser {
  /** @throws TransientError when the store of secrets or GitHub does not answer */
  authorize(name: string, repository: string): Promise<Authorization>;
}

type Token = { readonly kind: 'token'; readonly token: string } | { readonly kind: 'unusable'; readonly why: string };

const TOKEN = /^[\x21-\x7e]{1,2000}$/;
/** A token is not handed out any more when it may expire during a fetch. */
const SPARE_MS = 5 * 60_000;

export class RepositoryCredentials implements CredentialUser {
  readonly #secrets: SecretSource;
  readonly #clock: Clock;
  readonly #fetch: typeof fetch;
  /** By secret and repository. */
  readonly #minted = new Map<string, { token: string; expiresAt: Date }>();

  constructor(options: { secrets: SecretSource; clock: Clock; fetch?: typeof fetch }) {
    this.#secrets = options.secrets;
    this.#clock = options.clock;
    this.#fetch = options.fetch ?? fetch;
  }

  async authorize(name: string, repository: string): Promise<Authorization> {
    const unusable = (why: string): Authorization => ({ kind: 'unusable', message: `the credential "${name}" ${why}` });
    const address = new URL(repository);
    if (!isConfidential(address)) return unusable('is for https:// repositories only');
    const secret = await this.#find(name);
    if (secret.kind === 'unusable') return unusable(secret.why);
    const value = secret.token.trim();
    const found = value.startsWith('{') ? await this.#ofApp(value, address) : plainToken(value);
    if (found.kind === 'unusable') return unusable(found.why);
    // The user's name is any for GitHub, and this one for the tokens of its apps.
    const basic = Buffer.from(`x-access-token:${found.token}`).toString('base64');
    return { kind: 'authorized', header: `Basic ${basic}`, hide: [found.token, basic] };
  }

  async #find(name: string): Promise<Token> {
    try {
      const token = await this.#secrets.find(name);
      return token === undefined
        ? { kind: 'unusable', why: 'is not there: no secret of that name is stored' }
        : { kind: 'token', token };
    } catch (error) {
      if (error instanceof PermanentError) return { kind: 'unusable', why: `cannot be read: ${error.message}` };
      throw error;
    }
  }

  async #ofApp(json: string, address: URL): Promise<Token> {
    const app = parseApp(json);
    if (!app) return { kind: 'unusable', why: 'is neither a token nor {appId, installationId, privateKey} as JSON' };
    const host = hostOfApp(app);
    if (host !== address.hostname) return { kind: 'unusable', why: `is an app of ${host}, not of ${address.hostname}` };
    const key = createHash('sha256').update(`${json}\n${address.href}`).digest('hex');
    const known = this.#minted.get(key);
    if (known && known.expiresAt.getTime() - SPARE_MS > this.#clock.now().getTime()) return { kind: 'token', ...known };
    this.#minted.delete(key);
    const minted = await mintInstallationToken(app, nameOf(address), { clock: this.#clock, fetch: this.#fetch });
    if (minted.kind === 'refused') return { kind: 'unusable', why: `does not work: ${minted.message}` };
    this.#minted.set(key, minted);
    return minted;
  }
}

const plainToken = (token: string): Token =>
  TOKEN.test(token) ? { kind: 'token', token } : { kind: 'unusable', why: 'is no token: it has blanks or is empty' };

function parseApp(json: string): GitHubApp | undefined {
  try {
    return githubAppSchema.safeParse(JSON.parse(json)).data;
  } catch {
    // The parser's message quotes what it read.
    return undefined;
  }
}

/** `https://github.com/acme/word-count.git` → `word-count` */
const nameOf = ({ pathname }: URL): string =>
  pathname
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')
    .split('/')
    .at(-1) ?? '';
