import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { ManualClock } from '../../test/factories/manual-clock.ts';
import { InMemorySecretSource } from '../../test/fakes/in-memory-secret-source.ts';
import { RepositoryCredentials } from './repository-credentials.ts';

const REPOSITORY = 'https://github.com/acme/word-count';
const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const app = (overrides: object = {}) => JSON.stringify({ appId: 7, installationId: 99, privateKey, ...overrides });

/** Credentials over one secret called `acme`, and a GitHub that gives out `ghs_1`, `ghs_2` … for an hour each. */
function prepare(secret: string, respond?: () => Response) {
  const clock = new ManualClock();
  const requests: Request[] = [];
  const github = async (...call: Parameters<typeof fetch>): Promise<Response> => {
    requests.push(new Request(...call));
    if (respond) return respond();
    const expires_at = new Date(clock.now().getTime() + 3_600_000).toISOString();
    return Response.json({ token: `ghs_${requests.length}`, expires_at }, { status: 201 });
  };
  const secrets = new InMemorySecretSource({ acme: secret });
  const credentials = new RepositoryCredentials({ secrets, clock, fetch: github });
  const tokenFor = async (repository = REPOSITORY): Promise<string | undefined> => {
    const authorization = await credentials.authorize('acme', repository);
    if (authorization.kind === 'unusable') return `unusable: ${authorization.message}`;
    const [, basic = ''] = authorization.header.split(' ');
    expect(authorization.hide).toContain(basic);
    return Buffer.from(basic, 'base64').toString();
  };
  return { clock, requests, secrets, credentials, tokenFor };
}

describe('a token', () => {
  it('is sent as it is, with the name that GitHub asks for, and without the line end of its file', async () => {
    expect(await prepare('github_pat_1\n').tokenFor()).toBe('x-access-token:github_pat_1');
  });

  it.each(['', '   ', 'two words', 'line\nbreak', 'tök', 'x'.repeat(2001)])('is not %j', async (secret) => {
    const said = await prepare(secret).tokenFor();

    expect(said).toContain('is no token');
    if (secret.trim()) expect(said).not.toContain(secret);
  });

  it.each(['http://github.com/acme/x', 'file:///srv/x', 'http://10.0.0.1/x', 'http://127.0.0.1.example.com/x'])(
    'is not shown to %s',
    async (repository) => {
      const { credentials, secrets } = prepare('github_pat_1');
      secrets.unreachable = true;

      expect(await credentials.authorize('acme', repository)).toMatchObject({ kind: 'unusable' });
    },
  );

  it.each(['http://127.0.0.1:4711/acme/x', 'http://localhost:1/x', 'http://[::1]:1/x'])(
    'is shown to this machine itself, at %s',
    async (repository) => {
      expect(await prepare('t').tokenFor(repository)).toBe('x-access-token:t');
    },
  );
});

describe('a credential', () => {
  it('that is not stored is named', async () => {
    const { credentials } = prepare('t');

    expect(await credentials.authorize('nobody', REPOSITORY)).toEqual({
      kind: 'unusable',
      message: 'the credential "nobody" is not there: no secret of that name is stored',
    });
  });

  it('that may not be read says why', async () => {
    const secrets = {
      find: async () => {
        throw new PermanentError('chmod 600 it');
      },
    };
    const credentials = new RepositoryCredentials({ secrets, clock: new ManualClock() });

    expect(await credentials.authorize('acme', REPOSITORY)).toMatchObject({
      kind: 'unusable',
      message: expect.stringContaining('chmod 600'),
    });
  });

  it('whose store does not answer is no fault', async () => {
    const { credentials, secrets } = prepare('t');
    secrets.unreachable = true;

    await expect(credentials.authorize('acme', REPOSITORY)).rejects.toThrow(TransientError);
  });
});

describe('a GitHub App', () => {
  it('gives a token for this repository and its contents alone, asked for with a token of its own', async () => {
    const { clock, requests, tokenFor } = prepare(app());

    expect(await tokenFor(`${REPOSITORY}.git`)).toBe('x-access-token:ghs_1');

    const [request] = requests;
    expect(request?.url).toBe('https://api.github.com/app/installations/99/access_tokens');
    expect(await request?.json()).toEqual({ repositories: ['word-count'], permissions: { contents: 'read' } });
    const [head = '', claims = '', signature = ''] = (request?.headers.get('authorization') ?? '').slice(7).split('.');
    const signed = Buffer.from(`${head}.${claims}`);
    expect(verify('sha256', signed, createPublicKey(publicKey), Buffer.from(signature, 'base64url'))).toBe(true);
    const now = clock.now().getTime() / 1_000;
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toEqual({
      iss: '7',
      iat: now - 60,
      exp: now + 540,
    });
  });

  it('is asked once in an hour, and again shortly before its token expires', async () => {
    const { clock, requests, tokenFor } = prepare(app());
    await tokenFor();
    clock.advance(54 * 60);
    expect(await tokenFor()).toBe('x-access-token:ghs_1');

    clock.advance(2 * 60);

    expect(await tokenFor()).toBe('x-access-token:ghs_2');
    expect(requests).toHaveLength(2);
  });

  it('gives every repository, and every new key, a token of its own', async () => {
    const { secrets, requests, tokenFor } = prepare(app());
    await tokenFor();
    await tokenFor('https://github.com/acme/other');
    secrets.put('acme', app({ appId: 8 }));
    await tokenFor();

    expect(requests).toHaveLength(3);
  });

  it.each([
    ['https://gitlab.com/acme/x', {}],
    ['https://github.com/acme/x', { apiUrl: 'https://github.example.com/api/v3' }],
    ['https://github.com.example.com/acme/x', {}],
  ])('is used for its own host only, not for %s', async (repository, overrides) => {
    const { requests, tokenFor } = prepare(app(overrides));

    expect(await tokenFor(repository)).toContain('is an app of');
    expect(requests).toEqual([]);
  });

  it('of an Enterprise Server is asked there', async () => {
    const { requests, tokenFor } = prepare(app({ apiUrl: 'https://github.example.com/api/v3' }));

    expect(await tokenFor('https://github.example.com/acme/x')).toBe('x-access-token:ghs_1');
    expect(requests[0]?.url).toBe('https://github.example.com/api/v3/app/installations/99/access_tokens');
  });

  it.each([
    ['no JSON', '{"privateKey": "s3cret'],
    ['no key', '{"appId": 1, "installationId": 2}'],
    ['a typing error', app({ instalationId: 's3cret' })],
    ['an API without TLS', app({ apiUrl: 'http://github.example.com' })],
  ])('that is %s is told of, without a word of it', async (_what, secret) => {
    const said = await prepare(secret).tokenFor();

    expect(said).toContain('is neither a token nor');
    expect(said).not.toContain('s3cret');
  });

  it('with a broken key is told of', async () => {
    expect(await prepare(app({ privateKey: 's3cret' })).tokenFor()).toMatch(/^unusable.*not an RSA key in PEM$/);
  });

  it.each([401, 403, 404, 422])(
    'that GitHub refuses with %i is unusable, and the answer is not quoted',
    async (status) => {
      const { tokenFor } = prepare(app(), () => new Response('ghs_echo', { status }));

      const said = await tokenFor();

      expect(said).toContain(`GitHub refuses the app with ${status}`);
      expect(said).not.toContain('ghs_echo');
    },
  );

  it.each([
    ['500', () => new Response('', { status: 500 })],
    ['429', () => new Response('', { status: 429 })],
    ['a limit', () => new Response('', { status: 403, headers: { 'retry-after': '60' } })],
    ['no token', () => Response.json({}, { status: 201 })],
    ['no connection', () => Promise.reject(new TypeError('fetch failed')) as never],
  ])('that meets %s meets something that passes', async (_what, respond) => {
    const { credentials } = prepare(app(), respond);

    await expect(credentials.authorize('acme', REPOSITORY)).rejects.toThrow(TransientError);
  });
});
