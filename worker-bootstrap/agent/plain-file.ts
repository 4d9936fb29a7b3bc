/**
 * A file at a place that a command knew. Who reads it may be allowed more than the command was: no link is followed, no
 * writer of a pipe is waited for, nothing is read that somebody else put there, and no more than was there at first.
 */
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { TaskUser } from './task-user.ts';

const PIECE_BYTES = 256 * 1024;
/** A link, a socket, nothing that may be read: whatever the command meant by that. */
const ODD: ReadonlySet<unknown> = new Set(['ELOOP', 'ENXIO', 'EACCES', 'EPERM']);
const MISSING: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR']);

export type NoPlainFile = { readonly kind: 'missing' } | { readonly kind: 'odd' };

export interface PlainFile extends AsyncDisposable {
  readonly kind: 'plain';
  readonly bytes: number;
  /** A file that was written since does not look the same. */
  readonly look: string;
  /** What is in it, from the beginning at every call. */
  pieces(): AsyncIterable<Uint8Array>;
  /** All of it, in memory once and not twice. */
  read(): Promise<Buffer>;
}

/**
 * Opens it to be read.
 * @param user whose file it must be; `null`: anybody's
 * @throws what is neither missing nor odd: the machine's own trouble
 */
export async function openPlainFile(path: string, user: TaskUser | null): Promise<PlainFile | NoPlainFile> {
  const handle = await tryOpen(path);
  if ('kind' in handle) return handle;
  const found = await handle.stat({ bigint: true });
  if (!found.isFile() || (user && Number(found.uid) !== user.uid)) {
    await handle.close();
    return { kind: 'odd' };
  }
  const bytes = Number(found.size);
  return {
    kind: 'plain',
    bytes,
    look: lookOf(found),
    pieces: () => piecesOf(handle, bytes),
    read: async () => {
      const whole = Buffer.alloc(bytes);
      let length = 0;
      for await (const piece of piecesOf(handle, bytes)) {
        whole.set(piece, length);
        length += piece.length;
      }
      return whole.subarray(0, length);
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

export const lookOf = ({ ino, size, mtimeNs }: BigIntStats): string => [ino, size, mtimeNs].join(' ');

async function tryOpen(path: string): Promise<FileHandle | NoPlainFile> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (MISSING.has(code)) return { kind: 'missing' };
    if (ODD.has(code)) return { kind: 'odd' };
    throw error;
  }
}

async function* piecesOf(file: FileHandle, bytes: number): AsyncGenerator<Uint8Array> {
  for (let position = 0; position < bytes; ) {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, bytes - position));
    const { bytesRead } = await file.read(piece, 0, piece.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}
