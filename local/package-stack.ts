/**
 * Packages the stack as a deployment would, and unpacks each function's zip, so that the local run hosts what deploys.
 * The result lies inside the project, because the bundles leave `@aws-sdk/*` to the runtime: here that is `node_modules`.
 */
import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { unzipSync } from 'fflate';
import { buildOnce } from './build-cache.ts';
import { COMPILE_CACHE, PROJECT_ROOT } from './project-root.ts';

export interface PackagedStack {
  /** The CloudFormation template, JSON. */
  readonly templatePath: string;
  /** A folder a function, named as in serverless.yml. */
  readonly functionsDirectory: string;
}

export const STACK_SOURCES = [
  'serverless.yml',
  'fleets.yml',
  'package-lock.json',
  'tsconfig.json',
  'resources',
  'statemachine',
  'plugins',
  'functions',
  'worker-bootstrap', // its hash is in the template
  'adapters',
  'core',
];

/** It takes 5 to 10 s; on a machine that does much else, more. */
const PACKAGER_LIMIT_MS = 180_000;

/**
 * Packages the stack, or finds the package of the same sources.
 * @throws Error with the end of what the packager printed
 */
export async function packageStack(signal: AbortSignal = new AbortController().signal): Promise<PackagedStack> {
  const build = (target: string): Promise<void> => packageInto(target, signal);
  const directory = await buildOnce({ name: 'package', sources: STACK_SOURCES, signal, build });
  return { templatePath: join(directory, 'template.json'), functionsDirectory: join(directory, 'functions') };
}

async function packageInto(target: string, signal: AbortSignal): Promise<void> {
  const packed = join(target, 'packed');
  const esbuildFolder = join(target, 'esbuild');
  await runPackager(packed, esbuildFolder, signal);
  await unpackFunctions(packed, join(target, 'functions'));
  await rename(join(packed, 'cloudformation-template-update-stack.json'), join(target, 'template.json'));
  await Promise.all([packed, esbuildFolder].map((each) => rm(each, { recursive: true, force: true })));
}

async function runPackager(target: string, esbuildFolder: string, signal: AbortSignal): Promise<void> {
  const packager = join(PROJECT_ROOT, 'node_modules', 'serverless', 'bin', 'serverless.js');
  const child = spawn(process.execPath, [packager, 'package', '--package', target], {
    cwd: PROJECT_ROOT,
    // The framework joins this folder to the project's.
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      SHOAL_ESBUILD_FOLDER: relative(PROJECT_ROOT, esbuildFolder),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: AbortSignal.any([signal, AbortSignal.timeout(PACKAGER_LIMIT_MS)]),
    killSignal: 'SIGKILL',
  });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-4_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`the stack could not be packaged (npx sls package):\n${output.trim()}`);
}

async function unpackFunctions(packed: string, target: string): Promise<void> {
  const zips = (await readdir(packed)).filter((name) => name.endsWith('.zip'));
  for (const zip of zips) {
    const files = unzipSync(await readFile(join(packed, zip)));
    for (const [name, content] of Object.entries(files)) {
      if (name.endsWith('/')) continue;
      const path = join(target, basename(zip, '.zip'), name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
    }
  }
}
