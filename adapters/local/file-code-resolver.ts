/** Pins a ref of a repository on this machine's disk: the local run's counterpart of git's smart HTTP. */
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { TransientError } from '../../core/errors.ts';
import type { CodeResolver, ResolvedCode } from '../../core/ports.ts';
import { surroundings } from './config.ts';

const run = promisify(execFile);
const FULL_SHA = /^[0-9a-f]{40}$/;
const TIMEOUT_MS = 10_000;

export class FileCodeResolver implements CodeResolver {
  async resolve({ repository, ref, credential }: Parameters<CodeResolver['resolve']>[0]): Promise<ResolvedCode> {
    if (credential)
      return { kind: 'credential-unusable', message: 'a repository on disk is read without a credential' };
    const folder = folderOf(repository);
    if (folder === undefined || !(await isRepository(folder))) {
      return { kind: 'repository-not-found', message: `there is no git repository at ${repository}` };
    }
    const commit = await firstCommit(folder, candidatesOf(ref));
    if (commit) return { kind: 'resolved', commit };
    return { kind: 'ref-not-found', message: `there is no branch, tag or commit "${ref}" in ${repository}` };
  }
}

function folderOf(repository: string): string | undefined {
  try {
    return fileURLToPath(repository);
  } catch {
    return undefined;
  }
}

/**
 * Full names only: neither `HEAD~3` nor `:/text` nor an abbreviated SHA is a ref, over HTTP they would not work. In git's
 * own order of precedence (gitrevisions): a tag goes before a branch of the same name.
 */
function candidatesOf(ref: string): string[] {
  if (ref === 'HEAD' || ref.startsWith('refs/') || FULL_SHA.test(ref)) return [ref];
  return [`refs/tags/${ref}`, `refs/heads/${ref}`];
}

const isRepository = async (folder: string): Promise<boolean> =>
  (await git(folder, ['rev-parse', '--git-dir'])) !== undefined;

async function firstCommit(folder: string, candidates: readonly string[]): Promise<string | undefined> {
  for (const candidate of candidates) {
    if (/[~^:\s]|\.\.|@\{/.test(candidate)) continue;
    // `^{commit}` peels an annotated tag, and refuses what is no commit.
    const parameters = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${candidate}^{commit}`];
    const commit = (await git(folder, parameters))?.trim();
    if (commit && FULL_SHA.test(commit)) return commit;
  }
  return undefined;
}

/** What git says; `undefined` if it exits with an error. @throws TransientError when it cannot be run */
async function git(folder: string, parameters: readonly string[]): Promise<string | undefined> {
  try {
    // -C fails for a folder that is not there; the ceiling keeps git from finding a repository further up.
    const { stdout } = await run('git', ['-C', folder, ...parameters], {
      env: { ...surroundings(), GIT_CEILING_DIRECTORIES: dirname(folder), GIT_TERMINAL_PROMPT: '0' },
      timeout: TIMEOUT_MS,
    });
    return stdout;
  } catch (error) {
    const exited = error instanceof Error && 'code' in error && typeof error.code === 'number';
    if (exited) return undefined;
    throw new TransientError('git could not be run', { cause: error, context: { folder } });
  }
}
