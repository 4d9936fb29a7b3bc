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
  remove(): Promise<void>;
}

/** @param files contents by path; a file that starts with `#!` is executable */
export async function taskRepository(files: Readonly<Record<string, string>>): Promise<TaskRepository> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-e2e-repository-'));
  const git = (...parameters: string[]) => run('git', ['-C', folder, ...IDENTITY, ...parameters]);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
  }
  await git('init', '-q', '-b', 'main');
  await git('add', '-A');
  await git('commit', '-q', '-m', 'tasks');
  const { stdout } = await git('rev-parse', 'HEAD');
  return {
    folder,
    url: `file://${folder}`,
    commit: stdout.trim(),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
