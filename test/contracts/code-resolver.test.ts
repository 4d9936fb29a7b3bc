import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RepositoryCredentials } from '../../adapters/git/repository-credentials.ts';
import { SmartHttpCodeResolver } from '../../adapters/git/smart-http-code-resolver.ts';
import { FileCodeResolver } from '../../adapters/local/file-code-resolver.ts';
import { TransientError } from '../../core/errors.ts';
import { COMMIT } from '../factories/ids.ts';
import { systemClock } from '../factories/manual-clock.ts';
import { InMemoryCodeResolver } from '../fakes/in-memory-code-resolver.ts';
import { InMemorySecretSource } from '../fakes/in-memory-secret-source.ts';
import { describeCodeResolverContract } from './code-resolver.ts';
import { type RunningServer, serve, startGitHttpServer } from './git-http-server.ts';
import { createGitRepository, type GitRepository } from './git-repository.ts';

const NO_CREDENTIALS = new RepositoryCredentials({ secrets: new InMemorySecretSource(), clock: systemClock });

describeCodeResolverContract('in memory', async ({ name, refs, ancestor }) => ({
  resolver: new InMemoryCodeResolver({ [`memory:/${name}`]: { ...refs, [ancestor]: ancestor } }),
  addressOf: (repository) => `memory:/${repository}`,
}));

describeCodeResolverContract('file', async ({ root }) => ({
  resolver: new FileCodeResolver(),
  addressOf: (repository) => `file://${join(root, repository)}`,
}));

describeCodeResolverContract('smart HTTP', async ({ root }) => {
  const server = await startGitHttpServer(root);
  return {
    resolver: new SmartHttpCodeResolver({ credentials: NO_CREDENTIALS }),
    addressOf: (repository) => `${server.url}/${repository}`,
    stop: () => server.stop(),
  };
});

describe('smart HTTP, with a host that does not behave', () => {
  const servers: RunningServer[] = [];
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  });
  const started = async (listener: Parameters<typeof serve>[0]): Promise<string> => {
    const server = await serve(listener);
    servers.push(server);
    return server.url;
  };
  const resolve = (url: string, ref = 'main') =>
    new SmartHttpCodeResolver({ credentials: NO_CREDENTIALS }).resolve({ repository: `${url}/acme/word-count`, ref });
  const GIT = { 'content-type': 'application/x-git-upload-pack-result' };
  const line = `003d${COMMIT} refs/heads/main\n0000`;

  it('follows a repository that was renamed on the same host', async () => {
    const url = await started((request, response) => {
      if (request.url?.startsWith('/acme/')) response.writeHead(301, { location: '/new/git-upload-pack' }).end();
      else response.writeHead(200, GIT).end(line);
    });

    expect(await resolve(url)).toEqual({ kind: 'resolved', commit: COMMIT });
  });

  it.each([301, 302, 303, 307, 308])('does not follow a %i to another host', async (status) => {
    let asked = 0;
    const other = await started((_request, response) => {
      asked += 1;
      response.writeHead(200, GIT).end(line);
    });
    const url = await started((request, response) => {
      response.writeHead(status, { location: `${other}${request.url}` }).end();
    });

    expect(await resolve(url)).toMatchObject({ kind: 'repository-not-found' });
    expect(asked).toBe(0);
  });

  it('does not follow redirects in a circle', async () => {
    let asked = 0;
    const url = await started((request, response) => {
      asked += 1;
      response.writeHead(302, { location: request.url }).end();
    });

    expect(await resolve(url)).toMatchObject({ kind: 'repository-not-found' });
    expect(asked).toBeLessThan(10);
  });

  it.each([401, 403, 404, 410])('takes a %i for no repository that can be read', async (status) => {
    const url = await started((_request, response) => {
      response.writeHead(status).end();
    });

    expect(await resolve(url)).toMatchObject({ kind: 'repository-not-found' });
  });

  it.each([429, 500, 502, 503])('takes a %i for something that passes', async (status) => {
    const url = await started((_request, response) => {
      response.writeHead(status).end();
    });

    await expect(resolve(url)).rejects.toThrow(TransientError);
  });

  it('takes a host that is down for something that passes', async () => {
    const server = await serve(() => {});
    await server.stop();

    await expect(resolve(server.url)).rejects.toThrow(TransientError);
  });

  it('takes an answer that breaks off for something that passes', async () => {
    const url = await started((_request, response) => {
      response.writeHead(200, { ...GIT, 'content-length': '1000' });
      response.write('0032');
      setImmediate(() => response.destroy());
    });

    await expect(resolve(url)).rejects.toThrow(TransientError);
  });

  it.each([
    ['a web page', 'text/html', '<html>not git</html>'],
    ['no packets', GIT['content-type'], '<html>not git</html>'],
    ['the older protocol', 'application/x-git-upload-pack-advertisement', line],
  ])('takes %s for no repository', async (_what, contentType, body) => {
    const url = await started((_request, response) => {
      response.writeHead(200, { 'content-type': contentType }).end(body);
    });

    expect(await resolve(url)).toMatchObject({ kind: 'repository-not-found' });
  });

  it.each([
    ['nothing at all', ''],
    ['no ref', '0000'],
    ['a ref that names no commit', '001aunborn refs/heads/main0000'],
  ])('finds no ref in an answer of %s', async (_what, body) => {
    const url = await started((_request, response) => {
      response.writeHead(200, GIT).end(body);
    });

    expect(await resolve(url)).toMatchObject({ kind: 'ref-not-found' });
  });

  it('reads no more of an endless answer than it needs', async () => {
    let open = true;
    const url = await started((_request, response) => {
      response.writeHead(200, GIT);
      response.on('close', () => {
        open = false;
      });
      const flood = (): void => {
        while (open && response.write('ffff'.concat('x'.repeat(65_531))));
        if (open) response.once('drain', flood);
      };
      flood();
    });

    expect(await resolve(url, COMMIT)).toMatchObject({ kind: 'resolved' });
    await expect.poll(() => open).toBe(false);
  });
});

describe('a private repository over smart HTTP', () => {
  const TOKEN = 'github_pat_private';
  const authorization = `Basic ${Buffer.from(`x-access-token:${TOKEN}`).toString('base64')}`;
  const secrets = new InMemorySecretSource({ acme: TOKEN, other: 'github_pat_other' });
  const resolver = new SmartHttpCodeResolver({
    credentials: new RepositoryCredentials({ secrets, clock: systemClock }),
  });
  let repository: GitRepository;
  let host: RunningServer;
  beforeAll(async () => {
    repository = await createGitRepository();
    host = await startGitHttpServer(repository.root, { authorization });
  });
  afterAll(async () => {
    await host?.stop();
    await repository?.remove();
  });
  const resolve = (ref: string, credential: string | null) =>
    resolver.resolve({ repository: `${host.url}/${repository.name}`, ref, credential });

  it('is read with its credential, by branch and by commit', async () => {
    const commit = repository.refs['main'];

    expect(await resolve('main', 'acme')).toEqual({ kind: 'resolved', commit });
    expect(await resolve(commit ?? '', 'acme')).toEqual({ kind: 'resolved', commit });
  });

  it.each([null, 'other'])('is not there with the credential %j, and nothing of that is told', async (credential) => {
    const answer = await resolve('main', credential);

    expect(answer).toMatchObject({ kind: 'repository-not-found', message: expect.stringContaining('credential') });
    expect(JSON.stringify(answer)).not.toMatch(/github_pat|Basic/);
  });

  it('is not asked for with a credential that is not there', async () => {
    expect(await resolve('main', 'nobody')).toMatchObject({ kind: 'credential-unusable' });
  });

  it.each([301, 302, 307, 308])('sends no token after a %i, be it elsewhere or on the same host', async (status) => {
    const shown: (string | undefined)[] = [];
    const elsewhere = await serve((request, response) => {
      shown.push(request.headers.authorization);
      response.writeHead(404).end();
    });
    const here = await serve((request, response) => {
      if (request.url?.startsWith('/there/')) shown.push(request.headers.authorization);
      const location = request.url?.startsWith('/other/') ? elsewhere.url : '/there/git-upload-pack';
      response.writeHead(status, { location }).end();
    });

    const answers = await Promise.all(
      ['other', 'same'].map((name) =>
        resolver.resolve({ repository: `${here.url}/${name}/x`, ref: 'main', credential: 'acme' }),
      ),
    );
    await Promise.all([here.stop(), elsewhere.stop()]);

    expect(answers.map(({ kind }) => kind)).toEqual(['repository-not-found', 'repository-not-found']);
    expect(shown).toEqual([]);
  });
});

it('a repository on disk is read without a credential', async () => {
  const resolver = new FileCodeResolver();

  expect(await resolver.resolve({ repository: 'file:///srv/x', ref: 'main', credential: 'acme' })).toMatchObject({
    kind: 'credential-unusable',
  });
});
