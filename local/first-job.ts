/** A first job that works on any machine: `examples/word-count` as a git repository, and the submission that names it. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { PROJECT_ROOT } from './project-root.ts';

const EXAMPLE = join(PROJECT_ROOT, 'examples', 'word-count');
const run = promisify(execFile);

const documentSchema = z.looseObject({
  code: z.looseObject({}),
  tasks: z.array(z.looseObject({ key: z.string() })),
});

export interface FirstJob {
  /** The body of `POST /v1/jobs`. */
  readonly document: z.infer<typeof documentSchema>;
  /** Removes the repository. */
  remove(): Promise<void>;
}

/**
 * Makes the repository and the job. It lies in the system's folder for temporary files, not below the checkout: that one
 * may stand anywhere, and repository addresses have a strict alphabet.
 * @throws Error saying so when there is no git
 */
export async function makeFirstJob(): Promise<FirstJob> {
  const home = await mkdtemp(join(await realpath(tmpdir()), 'shoal-'));
  const remove = (): Promise<void> => rm(home, { recursive: true, force: true });
  try {
    const folder = join(home, 'word-count');
    await cp(EXAMPLE, folder, { recursive: true });
    await commitAll(folder);
    const document = documentSchema.parse(JSON.parse(await readFile(join(EXAMPLE, 'job.json'), 'utf8')));
    const repository = pathToFileURL(folder).href;
    return { document: { ...document, code: { ...document.code, repository, ref: 'main' } }, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** With an identity of its own, and without any setting of the machine's: a fresh one has no name to commit under. */
async function commitAll(folder: string): Promise<void> {
  const identity = ['-c', 'user.name=Shoal', '-c', 'user.email=shoal@localhost', '-c', 'commit.gpgsign=false'];
  const env = { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  const git = (...parameters: string[]) => run('git', [...identity, ...parameters], { cwd: folder, env });
  try {
    await git('init', '--quiet', '--template=');
    // `init --initial-branch` is younger than some gits in use.
    await git('symbolic-ref', 'HEAD', 'refs/heads/main');
    await git('add', '--all');
    await git('commit', '--quiet', '--message', 'Count words');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'; // of execFile: the program was not found
    throw new Error(missing ? 'there is no git on this machine, which every task needs' : String(cause), { cause });
  }
}
