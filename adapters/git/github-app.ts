/**
 * Installation tokens of a GitHub App ("Generating an installation access token for a GitHub App"): for one repository,
 * to read its contents, for an hour. They are kept in memory until shortly before they expire.
 */
import { createPrivateKey, sign } from 'node:crypto';
import { z } from 'zod';
import { TransientError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import { isConfidential } from './credential-host.ts';
import { networkReason } from './network-reason.ts';

const id = z.union([z.int().positive().transform(String), z.string().regex(/^[A-Za-z0-9._-]{1,100}$/)]);

/** A stored GitHub App, as JSON. */
export const githubAppSchema = z.strictObject({
  appId: id,
  installationId: id,
  /** PEM, as GitHub hands it out. */
  privateKey: z.string().min(1),
  /** Of GitHub Enterprise Server: `https://github.example.com/api/v3`. */
  apiUrl: z
    .string()
    .refine((url) => URL.canParse(url) && isConfidential(new URL(url)))
    .default('https://api.github.com'),
});
export type GitHubApp = z.infer<typeof githubAppSchema>;

const answerSchema = z.object({ token: z.string().regex(/^[\x21-\x7e]{1,1000}$/), expires_at: z.iso.datetime() });

export type InstallationToken =
  | { readonly kind: 'token'; readonly token: string; readonly expiresAt: Date }
  | { readonly kind: 'refused'; readonly message: string };

const TIMEOUT_MS = 10_000;
/** A clock that goes a little ahead of GitHub's would make a token of the future, which is refused. */
const BACKDATED_SECONDS = 60;
/** GitHub takes at most ten minutes. */
const VALID_SECONDS = 540;

/** The host whose repositories the app's tokens are for. */
export function hostOfApp({ apiUrl }: GitHubApp): string {
  return new URL(apiUrl).hostname.replace(/^api\./, '');
}

/** @throws TransientError when GitHub does not answer, or asks for patience */
export async function mintInstallationToken(
  app: GitHubApp,
  repositoryName: string,
  { clock, fetch }: { clock: Clock; fetch: typeof globalThis.fetch },
): Promise<InstallationToken> {
  const jwt = appToken(app, clock.now());
  if (jwt === undefined) return { kind: 'refused', message: 'its privateKey is not an RSA key in PEM' };
  const response = await post(fetch, `${app.apiUrl}/app/installations/${app.installationId}/access_tokens`, jwt, {
    repositories: [repositoryName],
    permissions: { contents: 'read' },
  });
  const { status, headers } = response;
  const limited = status === 403 && (headers.has('retry-after') || headers.get('x-ratelimit-remaining') === '0');
  if (status >= 500 || status === 429 || limited) {
    throw new TransientError('GitHub gives out no tokens at the moment', { context: { status } });
  }
  // Neither the answer's text nor its token is told: only what the status stands for.
  if (status !== 201) {
    const meaning = MEANING[status];
    return { kind: 'refused', message: `GitHub refuses the app with ${status}${meaning ? `: ${meaning}` : ''}` };
  }
  const answer = answerSchema.safeParse(await response.json().catch(() => undefined));
  if (!answer.success) throw new TransientError('GitHub gave no token in its answer');
  return { kind: 'token', token: answer.data.token, expiresAt: new Date(answer.data.expires_at) };
}

const MEANING: Readonly<Record<number, string>> = {
  401: 'appId and privateKey do not belong together',
  403: 'the installation is suspended, or the app may not read contents',
  404: 'the app has no such installation',
  422: 'the installation does not include this repository, or not its contents',
};

/** The app's own token: RS256, by its key. `undefined` if there is no signing with that key. */
function appToken({ appId, privateKey }: GitHubApp, now: Date): string | undefined {
  const seconds = Math.floor(now.getTime() / 1_000);
  const claims = { iat: seconds - BACKDATED_SECONDS, exp: seconds + VALID_SECONDS, iss: appId };
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const unsigned = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(claims)}`;
  try {
    const key = createPrivateKey(privateKey);
    if (key.asymmetricKeyType !== 'rsa') return undefined;
    return `${unsigned}.${sign('sha256', Buffer.from(unsigned), key).toString('base64url')}`;
  } catch {
    // What the library says of a broken key may quote it.
    return undefined;
  }
}

async function post(fetch: typeof globalThis.fetch, url: string, jwt: string, body: object): Promise<Response> {
  try {
    return await fetch(url, {
      method: 'POST',
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        authorization: `Bearer ${jwt}`,
        accept: 'application/vnd.github+json',
        'x-github-api-version': '2022-11-28',
        'content-type': 'application/json',
        'user-agent': 'shoal',
      },
      body: JSON.stringify(body),
    });
  } catch (error) {
    // No cause: who knows what a client quotes of a request that failed.
    throw new TransientError('GitHub cannot be reached for a token', { context: { reason: networkReason(error) } });
  }
}
