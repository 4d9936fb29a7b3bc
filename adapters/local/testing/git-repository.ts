import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from './temporary-folder.ts';

export interface TestRepository {
  readonly folder: string;
  readonly url: string;
  /** Commits files (those with a `#!` are made executable) and says the commit's SHA. */
  commit(files: Readonly<Record<string, string>>): string;
  git(...parameters: string[]): string;
}

/** A real repository in a temporary folder, on branch `main`, with no commit yet. */
export function gitRepository(): TestRepository {
  const folder = temporaryFolder();
  const git = (...parameters: string[]): string =>
    execFileSync('git', ['-c', 'user.name=Test', '-c', 'user.email=test@example.com', ...parameters], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  git('init', '--quiet', '--initial-branch=main');
  return {
    folder,
    url: `file://${folder}`,
    git,
    commit(files) {
      for (const [name, content] of Object.entries(files)) {
        const path = join(folder, name);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, content);
        if (content.startsWith('#!')) chmodSync(path, 0o755);
      }
      git('add', '--all');
      git('commit', '--quiet', '--allow-empty', '--message', 'a commit');
      return git('rev-parse', 'HEAD');
    },
  };
}
