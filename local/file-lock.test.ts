import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tryFileLock, withFileLock } from './file-lock.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-lock-'));
  path = join(folder, 'lock');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const { signal } = new AbortController();

describe('a file lock', () => {
  it('lets one work at a time and is gone afterwards', async () => {
    let working = 0;
    const work = async (): Promise<number> => {
      working += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      const seen = working;
      working -= 1;
      return seen;
    };
    const seen = await Promise.all([1, 2, 3].map(() => withFileLock(path, signal, work)));
    expect(seen).toEqual([1, 1, 1]);
    expect(existsSync(path)).toBe(false);
  });

  it('is given back when the work fails', async () => {
    await expect(withFileLock(path, signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await tryFileLock(path)).toBe(true);
  });

  it('of a process that died is taken over', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    await writeFile(path, String(pid));
    expect(await tryFileLock(path)).toBe(true);
    expect(await tryFileLock(path)).toBe(false);
  });

  it('is not waited for after an abort', async () => {
    await tryFileLock(path);
    await expect(withFileLock(path, AbortSignal.timeout(10), async () => 1)).rejects.toThrow();
  });
});
