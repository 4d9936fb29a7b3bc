/** A task repository for one test: files become a real git repository with one commit. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const IDENTITY = ['-c', 'user.name=test', '-c', 'user.email=test@example.com', '-c', 'commit.gpgsign=false'];

export interface TaskRepository {
  readonly folder: string;
  /** As a job names it. */
  readonly url: string;
  readonly commit: string;
  /** One more branch, with these files changed. @returns its commit */
  branch(name: string, files: Readonly<Record<string, string>>): Promise<string>;
  remove(): Promise<void>;
}

/** @param files contents by path; a file that starts with `#!` is executable */
export async function taskRepository(files: Readonly<Record<string, string>>): Promise<TaskRepository> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-e2e-repository-'));
  const git = (...parameters: string[]) => run('git', ['-C', folder, ...IDENTITY, ...parameters]);
  const write = async (changed: Readonly<Record<string, string>>): Promise<void> => {
    for (const [path, text] of Object.entries(changed)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
    }
  };
  const commit = async (message: string): Promise<string> => {
    await git('add', '-A');
    await git('commit', '-q', '-m', message);
    const { stdout } = await git('rev-parse', 'HEAD');
    return stdout.trim();
  };
  await write(files);
  await git('init', '-q', '-b', 'main');
  const first = await commit('tasks');
  return {
    folder,
    url: `file://${folder}`,
    commit: first,
    branch: async (name, changed) => {
      await git('checkout', '-q', '-b', name);
      await write(changed);
      const made = await commit(name);
      await git('checkout', '-q', 'main');
      return made;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
