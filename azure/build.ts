/**
 * Bundles the functions on Azure into one file, beside what the host reads: nothing is installed there. What the host itself
 * brings (`@azure/functions-core`) stays outside. `node azure/build.ts [folder]` packs the folder, too: `folder.zip`.
 */
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { zipSync } from 'fflate';
import { englishOnly, onMachinesOnly } from '../worker-bootstrap/build.ts';

/** As `runtime_version` in azure/functions.tf says it. */
const TARGET = 'node22';

/** Writes `index.js`, `package.json` and `host.json` to a folder. @returns the bytes of the bundle */
export async function buildFunctions(folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  const outfile = join(folder, 'index.js');
  await build({
    entryPoints: [fileURLToPath(new URL('function/index.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: TARGET,
    minify: true,
    keepNames: true,
    legalComments: 'none',
    external: ['@azure/functions-core'],
    mainFields: ['module', 'main'],
    plugins: [englishOnly, onMachinesOnly],
    logLevel: 'warning',
  });
  await copyFile(new URL('host.json', import.meta.url), join(folder, 'host.json'));
  const manifest = { name: 'shoal-azure', private: true, main: 'index.js', engines: { node: '22' } };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return (await readFile(outfile)).length;
}

/** Packs a folder's files, without folders in it. The same files make the same bytes. */
export async function packFolder(folder: string, zipFile: string): Promise<void> {
  const names = (await readdir(folder)).sort();
  const files = await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const));
  await writeFile(zipFile, zipSync(Object.fromEntries(files), { mtime: '2026-01-01' }));
}

if (import.meta.main) {
  const folder = process.argv[2] ?? fileURLToPath(new URL('../.shoal/azure-functions', import.meta.url));
  console.log(`${folder}: ${await buildFunctions(folder)} bytes`);
  await packFolder(folder, `${folder}.zip`);
}
