import { chmod, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { recordingServerOfTest } from '../../test/clouds/recording-server.ts';
import { type LocalChecksOptions, localChecks } from './local-checks.ts';
import { runChecks } from './run-checks.ts';

async function look(options: Partial<LocalChecksOptions> = {}) {
  const all = { dataDirectory: temporaryFolder(), nodeVersion: 'v24.0.0', git: 'git', basePort: 0, ...options };
  const findings = await runChecks(localChecks(all), 10_000);
  return (what: string) => findings.find((each) => each.what === what);
}

async function described(apiUrl: string): Promise<string> {
  const folder = temporaryFolder();
  await writeFile(join(folder, 'local.json'), JSON.stringify({ apiUrl, apiKey: 'shoal_x' }), { mode: 0o600 });
  return folder;
}

describe('this machine', () => {
  it('has what the local run needs', async () => {
    const of = await look();

    expect(['Node.js', 'git', 'disk', 'ports'].map((what) => of(what)?.status)).toEqual(['ok', 'ok', 'ok', 'ok']);
  });

  it('may have a Node that is too old, or no git', async () => {
    const of = await look({ nodeVersion: 'v22.11.0', git: '/nowhere/git' });

    expect(of('Node.js')).toMatchObject({ status: 'failed', message: 'v22.11.0, but 24 is needed' });
    expect(of('git')).toMatchObject({ status: 'failed', mend: expect.stringContaining('install git') });
  });

  it('may have somebody else on a port', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo; // it listens on a port

    const of = await look({ basePort: port });

    expect(of('ports')).toMatchObject({ status: 'failed', message: expect.stringContaining(`${port}`) });
  });
});

describe('a local run that is described', () => {
  it('answers', async () => {
    const api = await recordingServerOfTest(({ path }) =>
      path === '/health' ? { body: { status: 'ok' } } : undefined,
    );
    const of = await look({ dataDirectory: await described(api.url) });

    expect(of('local run')).toMatchObject({ status: 'ok', message: `answers at ${api.url}` });
  });

  it('is gone, or not well', async () => {
    const api = await recordingServerOfTest(() => ({ status: 503 }));
    expect((await look({ dataDirectory: await described(api.url) }))('local run')?.message).toContain('503');
    await api.stop();

    const of = await look({ dataDirectory: await described(api.url) });

    expect(of('local run')).toMatchObject({ status: 'failed', mend: expect.stringContaining('npm start') });
  });

  it.each(['local.json', 'api-key'])('keeps its key in %s to its owner', async (name) => {
    const api = await recordingServerOfTest(() => ({ body: {} }));
    const dataDirectory = await described(api.url);
    const path = join(dataDirectory, name);
    await writeFile(path, '', { flag: 'a', mode: 0o600 });
    expect((await look({ dataDirectory }))(name)).toBeUndefined();
    await chmod(path, 0o644);

    expect((await look({ dataDirectory }))(name)).toMatchObject({ status: 'failed', mend: `chmod 600 ${path}` });
  });

  it('cannot be made sense of', async () => {
    const folder = await described('');

    expect((await look({ dataDirectory: folder }))('local run')?.message).toBe('local.json cannot be read');
  });
});
