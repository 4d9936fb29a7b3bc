/** Secrets as files, for the local run: `{folder}/{name}`, readable by their owner alone. */
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PermanentError } from '../../core/errors.ts';
import type { SecretSource } from '../../core/ports.ts';

/** Every step begins with a letter or digit: none is `..`, none is hidden, none is empty. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;
const NO_SUCH = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG']);
const OTHERS = 0o077;

export class FileSecretSource implements SecretSource {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws PermanentError for a file that others may read */
  async find(name: string): Promise<string | undefined> {
    if (!NAME.test(name)) return undefined;
    try {
      return await this.#read(name);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException; // a PermanentError has none
      if (code !== undefined && NO_SUCH.has(code)) return undefined;
      throw error;
    }
  }

  async #read(name: string): Promise<string | undefined> {
    const path = join(this.#folder, name);
    // A link among the folders could lead anywhere, and so could one in the file's place.
    if ((await realpath(dirname(path))) !== join(await realpath(this.#folder), dirname(name))) return undefined;
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const { mode, isFile } = await file.stat().then((stats) => ({ mode: stats.mode, isFile: stats.isFile() }));
    if (!isFile) return undefined;
    if ((mode & OTHERS) !== 0) {
      throw new PermanentError(`others may read the credential's file: chmod 600 ${path}`, { context: { name } });
    }
    return await file.readFile('utf8');
  }
}
