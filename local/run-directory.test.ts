import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunDirectory } from './run-directory.ts';

describe('the API key of a folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-folder-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is that of every run over it, and for its owner alone', async () => {
    const first = await new RunDirectory(folder).apiKey();
    const second = await new RunDirectory(folder).apiKey();

    expect(first).toMatch(/^shoal_.{32}$/);
    expect(second).toBe(first);
    const [name = ''] = await readdir(folder);
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  });

  it('is made anew when only a part of it was written', async () => {
    await writeFile(join(folder, 'api-key'), 'shoal_');

    expect(await new RunDirectory(folder).apiKey()).toMatch(/^shoal_.{32}$/);
  });
});
