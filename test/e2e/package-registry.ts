/**
 * An npm registry on this machine with a single package in it, packed from our own `node_modules`: `npm ci` does all that
 * it always does, and no test needs the network.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PROJECT_ROOT } from '../../local/project-root.ts';

export interface PackageRegistry {
  readonly url: string;
  /** Of the packed file: packing anew does not give the published bytes, only the same files. */
  readonly integrity: string;
  /** What was asked for. */
  readonly requests: readonly string[];
  stop(): Promise<void>;
}

export async function packageRegistry(name: string, version: string): Promise<PackageRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-registry-'));
  const source = join(PROJECT_ROOT, 'node_modules', name);
  await promisify(execFile)('npm', ['pack', source, '--ignore-scripts', '--silent', '--pack-destination', folder]);
  const tarball = await readFile(join(folder, `${name}-${version}.tgz`));
  await rm(folder, { recursive: true, force: true });
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;

  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const tarballPath = `/${name}/-/${name}-${version}.tgz`;
    if (request.url === tarballPath) return response.end(tarball);
    if (request.url !== `/${name}`) return response.writeHead(404).end();
    const dist = { tarball: `http://${request.headers.host}${tarballPath}`, integrity };
    const document = { name, 'dist-tags': { latest: version }, versions: { [version]: { name, version, dist } } };
    return response.setHeader('content-type', 'application/json').end(JSON.stringify(document));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a port
  return {
    url: `http://127.0.0.1:${port}/`,
    integrity,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
