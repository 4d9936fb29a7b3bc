/** Checkouts over real HTTP from git's own `http-backend`: private repositories, submodules, hosts that fail. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RepositoryCredentials } from '../../adapters/git/repository-credentials.ts';
import { gitRepository, type TestRepository } from '../../adapters/local/testing/git-repository.ts';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { type RunningServer, serve, startGitHttpServer } from '../../test/contracts/git-http-server.ts';
import { jobIdFactory } from '../../test/factories/ids.ts';
import { PLAIN_CODE } from '../../test/factories/plain-code.ts';
import { InMemorySecretSource } from '../../test/fakes/in-memory-secret-source.ts';
import { readPath } from '../testing/config.ts';
import { systemClock } from './clock.ts';
import { type Code, type Preparation, Preparations } from './preparations.ts';
import { ProcessGroups } from './process-groups.ts';

const JOB = jobIdFactory();
const TOKEN = 'github_pat_planted';
const basic = Buffer.from(`x-access-token:${TOKEN}`).toString('base64');
const AUTHORIZATION = `Basic ${basic}`;

const ended = (server: RunningServer): RunningServer => {
  onTestFinished(() => server.stop());
  return server;
};
const secretSource = () => new InMemorySecretSource({ acme: TOKEN });

/** A machine that holds the credential `acme`. */
function machine({ secrets = secretSource(), patienceSeconds = 0.4 } = {}) {
  const workDir = temporaryFolder();
  const preparations = new Preparations({
    settings: {
      workDir,
      taskUser: null,
      setupSeconds: 20,
      graceSeconds: 0.2,
      cancelGraceSeconds: 0.2,
      commandPath: readPath(),
    },
    groups: new ProcessGroups(workDir),
    credentials: new RepositoryCredentials({ secrets, clock: { now: () => new Date() } }),
    clock: systemClock,
    random: () => 0.5,
    stop: new AbortController().signal,
    kill: new AbortController().signal,
    backoffSeconds: 60,
    patienceSeconds,
    onTried: () => undefined,
  });
  return { preparations, secrets, workDir };
}

/** Serves the folder of a repository, to those who show the token. */
const privateHost = async (repository: TestRepository) => {
  const root = dirname(repository.folder);
  const server = ended(await startGitHttpServer(root, { authorization: AUTHORIZATION }));
  return { ...server, address: (of: TestRepository) => `${server.url}/${basename(of.folder)}` };
};

const codeOf = (repository: string, commit: string, more: Partial<Code> = {}): Code => ({
  repository,
  commit,
  setup: null,
  run: ['true'],
  ...PLAIN_CODE,
  ...more,
});

const reasonOf = (preparation: Preparation): string => (preparation.kind === 'failed' ? preparation.reason : '');
const fileIn = (preparation: Preparation, name: string): string =>
  preparation.kind === 'ready' ? readFileSync(join(preparation.folder, name), 'utf8') : JSON.stringify(preparation);

/** Everything below a folder as one text. */
const contentsOf = (folder: string): string =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');

describe('a private repository', () => {
  it('is checked out with its credential, of which nothing is left anywhere', async () => {
    const repository = gitRepository();
    const commit = repository.commit({ a: 'one' });
    const host = await privateHost(repository);
    const { preparations, workDir } = machine();
    const setup = 'env > seen; git config --list >> seen; cat /proc/*/cmdline >> seen 2>/dev/null; true';

    const prepared = await preparations.prepare(
      codeOf(host.address(repository), commit, { credential: 'acme', setup }),
      JOB,
    );

    expect(fileIn(prepared, 'a')).toBe('one');
    expect(fileIn(prepared, 'seen')).toContain('SHOAL_COMMIT');
    expect(contentsOf(workDir)).not.toMatch(new RegExp(`${TOKEN}|${basic.replaceAll('=', '.')}`));
  });

  it.each([
    ['no credential', null, /git fetch failed/],
    ['one that is not stored', 'nobody', /the credential "nobody" is not there/],
  ])('is not read with %s, and the reason says so', async (_what, credential, words) => {
    const repository = gitRepository();
    const commit = repository.commit({ a: 'one' });
    const host = await privateHost(repository);

    const prepared = await machine().preparations.prepare(
      codeOf(host.address(repository), commit, { credential }),
      JOB,
    );

    expect(reasonOf(prepared)).toMatch(words);
  });

  it('whose host says back what it was shown fails with a reason that does not', async () => {
    const repository = gitRepository();
    const commit = repository.commit({ a: 'one' });
    const host = await privateHost(repository);
    const secrets = new InMemorySecretSource({ acme: 'github_pat_wrong' });

    const prepared = await machine({ secrets }).preparations.prepare(
      codeOf(host.address(repository), commit, { credential: 'acme' }),
      JOB,
    );

    expect(reasonOf(prepared)).toMatch(/git fetch failed/);
    expect(reasonOf(prepared)).not.toContain(Buffer.from('x-access-token:github_pat_wrong').toString('base64'));
    expect(reasonOf(prepared)).not.toContain('github_pat_wrong');
  });

  it.each([301, 302, 307])('that answers %i sends the credential nowhere else', async (status) => {
    const shown: (string | undefined)[] = [];
    const elsewhere = ended(
      await serve((request, response) => {
        shown.push(request.headers.authorization);
        response.writeHead(404).end();
      }),
    );
    const here = ended(
      await serve((request, response) => {
        response.writeHead(status, { location: `${elsewhere.url}${request.url}` }).end();
      }),
    );

    const prepared = await machine().preparations.prepare(
      codeOf(`${here.url}/acme/x`, 'a'.repeat(40), { credential: 'acme' }),
      JOB,
    );

    expect(prepared.kind).toBe('failed');
    expect(shown).toEqual([]);
  });

  it('is checked out anew for a job without its credential', async () => {
    const repository = gitRepository();
    const commit = repository.commit({ a: 'one' });
    const host = await privateHost(repository);
    const { preparations } = machine();
    await preparations.prepare(codeOf(host.address(repository), commit, { credential: 'acme' }), JOB);

    expect(await preparations.prepare(codeOf(host.address(repository), commit), JOB)).toMatchObject({ kind: 'failed' });
  });
});

describe('submodules', () => {
  /** `outer` names `inner` by a relative address, and a public one elsewhere by its full one. */
  async function repositories() {
    const [inner, outer, foreign] = [gitRepository(), gitRepository(), gitRepository()];
    inner.commit({ library: 'inside' });
    foreign.commit({ library: 'foreign' });
    const seen: (string | undefined)[] = [];
    const other = ended(
      await startGitHttpServer(dirname(foreign.folder), {
        onRequest: (request) => seen.push(request.headers.authorization),
      }),
    );
    const add = (url: string, path: string) =>
      outer.git('-c', 'protocol.allow=always', 'submodule', '--quiet', 'add', url, path);
    add(inner.url, 'inner');
    add(foreign.url, 'foreign');
    const modules = readFileSync(join(outer.folder, '.gitmodules'), 'utf8')
      .replace(inner.url, `../${basename(inner.folder)}`)
      .replace(foreign.url, `${other.url}/${basename(foreign.folder)}`);
    const commit = outer.commit({ '.gitmodules': modules });
    return { inner, outer, commit, seen, host: await privateHost(outer) };
  }

  it('are fetched when the job asks for them, the credential going to its own host only', async () => {
    const { outer, commit, seen, host } = await repositories();
    const { preparations, workDir } = machine();
    const code = codeOf(host.address(outer), commit, { credential: 'acme', submodules: true });

    const prepared = await preparations.prepare(code, JOB);

    expect(fileIn(prepared, 'inner/library')).toBe('inside');
    expect(fileIn(prepared, 'foreign/library')).toBe('foreign');
    expect(new Set(seen)).toEqual(new Set([undefined]));
    expect(contentsOf(workDir)).not.toContain(basic);
  });

  it('are not asked for otherwise', async () => {
    const { outer, commit, seen, host } = await repositories();

    const prepared = await machine().preparations.prepare(
      codeOf(host.address(outer), commit, { credential: 'acme' }),
      JOB,
    );

    expect(prepared.kind === 'ready' && readdirSync(join(prepared.folder, 'inner'))).toEqual([]);
    expect(prepared.kind === 'ready' && existsSync(join(prepared.folder, '.git/modules'))).toBe(false);
    expect(seen).toEqual([]);
  });

  it('that want another protocol than the repository fail', async () => {
    const { inner, outer, host } = await repositories();
    const modules = readFileSync(join(outer.folder, '.gitmodules'), 'utf8');
    const commit = outer.commit({ '.gitmodules': modules.replace(`../${basename(inner.folder)}`, inner.url) });
    const code = codeOf(host.address(outer), commit, { credential: 'acme', submodules: true });

    expect(reasonOf(await machine().preparations.prepare(code, JOB))).toMatch(/transport 'file' not allowed/);
  });
});

describe('a host that does not answer', () => {
  it('is asked again until it does', async () => {
    const repository = gitRepository();
    const commit = repository.commit({ a: 'one' });
    const open = ended(await startGitHttpServer(dirname(repository.folder)));
    let refusals = 2;
    const flaky = ended(
      await serve((request, response) => {
        refusals -= 1;
        if (refusals >= 0) response.writeHead(503).end();
        // Without a credential a redirect is followed.
        else response.writeHead(307, { location: `${open.url}${request.url}` }).end();
      }),
    );
    const { preparations } = machine({ patienceSeconds: 10 });
    const code = codeOf(`${flaky.url}/${basename(repository.folder)}`, commit);

    expect(fileIn(await preparations.prepare(code, JOB), 'a')).toBe('one');
    expect(refusals).toBeLessThan(0);
  });

  it('for longer than its patience is a reason, with how often it was asked', async () => {
    const down = await serve(() => {});
    await down.stop();
    const began = performance.now();

    const prepared = await machine({ patienceSeconds: 1.5 }).preparations.prepare(
      codeOf(`${down.url}/acme/x`, 'a'.repeat(40)),
      JOB,
    );

    expect(reasonOf(prepared)).toMatch(/git fetch failed .*refused|failed to connect/is);
    expect(reasonOf(prepared)).toMatch(/\(tried [2-9] times\)$/);
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('and a store of secrets likewise', async () => {
    const secrets = secretSource();
    secrets.unreachable = true;

    const prepared = await machine({ secrets }).preparations.prepare(
      codeOf('https://example.invalid/acme/x', 'a'.repeat(40), { credential: 'acme' }),
      JOB,
    );

    expect(reasonOf(prepared)).toMatch(/the store of secrets does not answer \(tried \d times?\)/);
  });

  it('is not asked again for a repository that is gone', async () => {
    const asked: string[] = [];
    const host = ended(
      await serve((request, response) => {
        asked.push(request.url ?? '');
        response.writeHead(404).end();
      }),
    );

    const prepared = await machine({ patienceSeconds: 10 }).preparations.prepare(
      codeOf(`${host.url}/acme/gone`, 'a'.repeat(40)),
      JOB,
    );

    expect(reasonOf(prepared)).toMatch(/not found/);
    expect(asked).toHaveLength(1);
  });
});

describe('a checkout over HTTP', () => {
  it('brings the files of its commit and of no other', async () => {
    const repository = gitRepository();
    repository.commit({ old: 'x'.repeat(10_000) });
    repository.git('rm', '--quiet', 'old');
    const commit = repository.commit({ now: 'y' });
    const host = await privateHost(repository);

    const prepared = await machine().preparations.prepare(
      codeOf(host.address(repository), commit, { credential: 'acme' }),
      JOB,
    );

    const folder = prepared.kind === 'ready' ? prepared.folder : '';
    const objects = execFileSync('git', [
      '-C',
      folder,
      'cat-file',
      '--batch-all-objects',
      '--batch-check=%(objecttype)',
    ]);
    expect(objects.toString().trim().split('\n').sort()).toEqual(['blob', 'commit', 'tree']);
  });
});
