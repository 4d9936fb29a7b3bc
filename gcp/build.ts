/**
 * Bundles the functions on GCP into one file, with what Cloud Build installs beside it: the framework alone, which registers
 * functions in a module of its own and so must be there once. `node gcp/build.ts [folder]` packs the folder, too: `folder.zip`.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { zipSync } from 'fflate';
import { z } from 'zod';
import { englishOnly, onMachinesOnly } from '../worker-bootstrap/build.ts';

const FRAMEWORK = '@google-cloud/functions-framework';
/** As `runtime` in gcp/functions.tf says it. */
const TARGET = 'node22';

const packageSchema = z.object({ dependencies: z.object({ [FRAMEWORK]: z.string() }) });

/** Writes `index.js` and `package.json` to a folder. @returns the bytes of the bundle */
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
    external: [FRAMEWORK],
    mainFields: ['module', 'main'],
    plugins: [englishOnly, onMachinesOnly],
    logLevel: 'warning',
  });
  const own = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  const { dependencies } = packageSchema.parse(JSON.parse(own));
  const manifest = {
    name: 'shoal-gcp',
    private: true,
    main: 'index.js',
    engines: { node: '22' },
    dependencies: { [FRAMEWORK]: dependencies[FRAMEWORK] },
  };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return (await readFile(outfile)).length;
}

/** What Terraform uploads. The same files make the same bytes, so that nothing is deployed again that has not changed. */
export async function packFunctions(folder: string, zipFile: string): Promise<void> {
  const names = ['index.js', 'package.json'];
  const files = await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const));
  await writeFile(zipFile, zipSync(Object.fromEntries(files), { mtime: '2026-01-01' }));
}

if (import.meta.main) {
  const folder = process.argv[2] ?? fileURLToPath(new URL('../.shoal/gcp-functions', import.meta.url));
  console.log(`${folder}: ${await buildFunctions(folder)} bytes`);
  await packFunctions(folder, `${folder}.zip`);
}
