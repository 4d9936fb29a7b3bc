/**
 * Packages the stack as a deployment would, and unpacks each function's zip, so that the local run hosts what deploys.
 *
 * A package is kept under the hash of its sources in `.shoal/package` of the checkout: inside the project, because the
 * bundles leave `@aws-sdk/*` to the runtime, and here that is `node_modules`.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { unzipSync } from 'fflate';
import { withFileLock } from './file-lock.ts';
import { PROJECT_ROOT } from './project-root.ts';
import { hashSources } from './source-hash.ts';

export interface PackagedStack {
  /** The CloudFormation template, JSON. */
  readonly templatePath: string;
  /** A folder a function, named as in serverless.yml. */
  readonly functionsDirectory: string;
}

/** Old packages are removed, but not what a run that started yesterday may still load from. */
const KEPT_PACKAGES = 4;
const KEPT_MS = 24 * 3_600_000;

/**
 * Packages the stack, or finds the package of the same sources. Safe to call from several processes at once.
 * @throws Error with the end of what the packager printed
 */
export async function packageStack(signal: AbortSignal = new AbortController().signal): Promise<PackagedStack> {
  const home = join(PROJECT_ROOT, '.shoal', 'package');
  const directory = join(home, await hashSources(PROJECT_ROOT));
  if (!(await exists(directory))) {
    await mkdir(home, { recursive: true });
    await withFileLock(join(home, 'lock'), signal, async () => {
      if (!(await exists(directory))) await build(home, directory, signal);
    });
    await removeOldPackages(home);
  }
  const now = new Date();
  await utimes(directory, now, now);
  return { templatePath: join(directory, 'template.json'), functionsDirectory: join(directory, 'functions') };
}

/** Builds aside and renames: a package that is there is whole. */
async function build(home: string, directory: string, signal: AbortSignal): Promise<void> {
  const workshop = await mkdtemp(join(home, 'building-'));
  try {
    const packed = join(workshop, 'packed');
    await runPackager(packed, join(workshop, 'esbuild'), signal);
    const result = join(workshop, 'result');
    await unpackFunctions(packed, join(result, 'functions'));
    await rename(join(packed, 'cloudformation-template-update-stack.json'), join(result, 'template.json'));
    await rename(result, directory);
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

async function runPackager(target: string, esbuildFolder: string, signal: AbortSignal): Promise<void> {
  const packager = join(PROJECT_ROOT, 'node_modules', 'serverless', 'bin', 'serverless.js');
  const child = spawn(process.execPath, [packager, 'package', '--package', target], {
    cwd: PROJECT_ROOT,
    // The framework joins this folder to the project's.
    env: { ...process.env, SHOAL_ESBUILD_FOLDER: relative(PROJECT_ROOT, esbuildFolder) },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
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

async function removeOldPackages(home: string): Promise<void> {
  const names = (await readdir(home)).filter((name) => /^[0-9a-f]{16}$/.test(name));
  const packages = await Promise.all(
    names.map(async (name) => ({ path: join(home, name), usedAt: (await stat(join(home, name))).mtimeMs })),
  );
  const old = packages.sort((a, b) => b.usedAt - a.usedAt).slice(KEPT_PACKAGES);
  const unused = old.filter((each) => Date.now() - each.usedAt > KEPT_MS);
  await Promise.all(unused.map((each) => rm(each.path, { recursive: true, force: true })));
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
