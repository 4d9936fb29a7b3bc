import { appendFileSync, chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../adapters/local/testing/temporary-folder.ts';
import { openPlainFile } from './plain-file.ts';

const { uid, gid } = userInfo();
const own = { uid, gid };
const fileOf = (content: string): string => {
  const path = join(temporaryFolder(), 'file');
  writeFileSync(path, content);
  return path;
};

describe('a plain file', () => {
  it('is read as it was when it was opened, however it grows, and as often as one likes', async () => {
    const path = fileOf('x'.repeat(300_000));

    const file = await openPlainFile(path, own);
    appendFileSync(path, 'more');

    if (file.kind !== 'plain') expect.unreachable(file.kind);
    await using open = file;
    expect(open.bytes).toBe(300_000);
    expect(await text(open.pieces())).toBe('x'.repeat(300_000));
    expect((await open.read()).toString()).toBe('x'.repeat(300_000));
  });

  it('is one of the user that the command was of: another one could be a link to what that user may not read', async () => {
    expect(await openPlainFile(fileOf('{}'), { uid: uid + 1, gid })).toEqual({ kind: 'odd' });
  });

  it('is no folder and no link, and may be missing', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'folder'));
    symlinkSync('/etc/hostname', join(folder, 'link'));

    const kinds = ['folder', 'link', 'nothing'].map(
      async (name) => (await openPlainFile(join(folder, name), own)).kind,
    );

    expect(await Promise.all(kinds)).toEqual(['odd', 'odd', 'missing']);
  });

  it.skipIf(uid === 0)('is one that may be read (root may read any)', async () => {
    const path = fileOf('{}');
    chmodSync(path, 0);

    expect(await openPlainFile(path, own)).toEqual({ kind: 'odd' });
  });
});
