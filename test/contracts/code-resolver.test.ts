import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { SmartHttpCodeResolver } from '../../adapters/git/smart-http-code-resolver.ts';
import { FileCodeResolver } from '../../adapters/local/file-code-resolver.ts';
import { TransientError } from '../../core/errors.ts';
import { COMMIT } from '../factories/ids.ts';
import { InMemoryCodeResolver } from '../fakes/in-memory-code-resolver.ts';
import { describeCodeResolverContract } from './code-resolver.ts';
import { type RunningServer, serve, startGitHttpServer } from './git-http-server.ts';

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
    resolver: new SmartHttpCodeResolver(),
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
    new SmartHttpCodeResolver().resolve({ repository: `${url}/acme/word-count`, ref });
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
