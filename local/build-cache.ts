/** What is built once and kept under the hash of its sources, in `.shoal` of the checkout, for every run to share. */
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { withFileLock } from './file-lock.ts';
import { PROJECT_ROOT } from './project-root.ts';
import { hashSources } from './source-hash.ts';

/** Old builds are removed, but not what a run that started yesterday may still load from. */
const KEPT_BUILDS = 4;
const KEPT_MS = 24 * 3_600_000;

export interface CachedBuild {
  /** Of the folder: `.shoal/{name}/{hash}`. */
  readonly name: string;
  /** Files and folders of the project that the result depends on. */
  readonly sources: readonly string[];
  readonly signal: AbortSignal;
  /** Writes the result into a folder, which exists. */
  readonly build: (target: string) => Promise<void>;
}

/**
 * Finds the build of the present sources, or builds it. Safe to call from several processes at once.
 * @returns the folder of the result
 */
export async function buildOnce({ name, sources, signal, build }: CachedBuild): Promise<string> {
  const home = join(PROJECT_ROOT, '.shoal', name);
  const find = async (): Promise<string> => join(home, await hashSources(PROJECT_ROOT, sources));
  let directory = await find();
  // Sources that changed during the build would be kept under a hash that is not theirs: then it is built again.
  while (!(await exists(directory))) {
    await mkdir(home, { recursive: true });
    await withFileLock(join(home, 'lock'), signal, async () => {
      if (!(await exists(directory))) await buildAside(home, find, build);
      await removeOldBuilds(home);
    });
    directory = await find();
  }
  const now = new Date();
  await utimes(directory, now, now);
  return directory;
}

/** Builds aside and renames: a build that is there is whole, and of the sources that its name says. */
async function buildAside(home: string, find: () => Promise<string>, build: CachedBuild['build']): Promise<void> {
  const workshop = await mkdtemp(join(home, 'building-'));
  try {
    const directory = await find();
    await build(workshop);
    if ((await find()) === directory) await rename(workshop, directory);
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

/** With the lock held: what is still called `building-…` was left by a process that died. */
async function removeOldBuilds(home: string): Promise<void> {
  const names = await readdir(home);
  const left = names.filter((name) => name.startsWith('building-'));
  const builds = await Promise.all(
    names
      .filter((name) => /^[0-9a-f]{16}$/.test(name))
      .map(async (name) => ({ name, usedAt: (await stat(join(home, name))).mtimeMs })),
  );
  const old = builds.sort((a, b) => b.usedAt - a.usedAt).slice(KEPT_BUILDS);
  const unused = old.filter((each) => Date.now() - each.usedAt > KEPT_MS).map((each) => each.name);
  await Promise.all([...left, ...unused].map((name) => rm(join(home, name), { recursive: true, force: true })));
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
