/** A real git repository in a temporary folder, with every kind of ref that a job may name. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Nothing of this machine's git settings, and no author that a test must ask for. */
const IDENTITY = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'test',
  GIT_AUTHOR_EMAIL: 'test@example.com',
  GIT_COMMITTER_NAME: 'test',
  GIT_COMMITTER_EMAIL: 'test@example.com',
};

export interface GitRepository {
  /** The folder in which repositories lie. */
  readonly root: string;
  /** Its name in that folder. */
  readonly name: string;
  /** The commit that each ref names. */
  readonly refs: Readonly<Record<string, string>>;
  /** A commit in the history that no ref names. */
  readonly ancestor: string;
  remove(): Promise<void>;
}

export async function createGitRepository(): Promise<GitRepository> {
  const root = await mkdtemp(join(tmpdir(), 'shoal-git-'));
  const name = 'word-count';
  const folder = join(root, name);
  const git = async (...parameters: string[]): Promise<string> => {
    const { stdout } = await run('git', ['-C', root, ...parameters], { env: { ...process.env, ...IDENTITY } });
    return stdout.trim();
  };
  const inside = (...parameters: string[]): Promise<string> => git('-C', name, ...parameters);
  const commit = async (text: string): Promise<string> => {
    await writeFile(join(folder, 'count.js'), text);
    await inside('add', '.');
    await inside('commit', '-q', '-m', text);
    return inside('rev-parse', 'HEAD');
  };

  await git('init', '-q', '-b', 'main', name);
  const ancestor = await commit('first');
  const second = await commit('second');
  await inside('tag', 'v1');
  await inside('tag', '-a', 'v1-annotated', '-m', 'signed off');
  await inside('tag', '-a', 'nested', '-m', 'a tag of a tag', 'v1-annotated');
  await inside('branch', 'feature/a+b');
  await inside('tag', 'both');
  const third = await commit('third');
  await inside('branch', 'both');
  await inside('branch', 'v1.0');
  await inside('branch', 'me@home');
  const refs = {
    HEAD: third,
    main: third,
    'refs/heads/main': third,
    'feature/a+b': second,
    v1: second,
    'v1-annotated': second,
    nested: second,
    'v1.0': third,
    'me@home': third,
    // A tag goes before a branch of the same name (gitrevisions).
    both: second,
  };
  return { root, name, refs, ancestor, remove: () => rm(root, { recursive: true, force: true }) };
}
