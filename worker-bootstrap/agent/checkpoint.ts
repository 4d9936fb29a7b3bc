/**
 * What a command leaves for the next attempt: `$SHOAL_CHECKPOINT_FILE`. Before the start it holds what an earlier attempt
 * left; when the command had to stop, what is there then is stored beside that, never over it.
 */
import { type BigIntStats, constants, createWriteStream } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { TransientError } from '../../core/errors.ts';
import { blobKeys } from '../../core/ids.ts';
import type { TaskMessage } from '../../core/messages.ts';
import type { BlobStore } from '../../core/ports.ts';
import type { Checkpoint } from '../../core/task.ts';
import type { AgentClock } from './clock.ts';
import { type Log, messageOf } from './log.ts';
import { retry } from './retry.ts';

export interface CheckpointTools {
  readonly blobs: BlobStore;
  readonly clock: AgentClock;
  readonly random: () => number;
  readonly log: Log;
  readonly kill: AbortSignal;
  /** A larger one is not kept. */
  readonly maxBytes: number;
}

/** How long an earlier checkpoint may take to be read; the lease allows for it. */
export const RESTORE_SECONDS = 60;
const PIECE_BYTES = 256 * 1024;

export class TaskCheckpoint {
  readonly #message: TaskMessage;
  readonly #leaseId: string;
  readonly #tools: CheckpointTools;
  /** What the file looked like when the command started. */
  #restored: string | null = null;

  constructor(message: TaskMessage, leaseId: string, tools: CheckpointTools) {
    this.#message = message;
    this.#leaseId = leaseId;
    this.#tools = tools;
  }

  /**
   * Puts what an earlier attempt left where the command looks for it. One that is gone is none.
   * @throws TransientError when it cannot be read: begun anew, hours of work could be lost
   */
  async restore(file: string, stop: AbortSignal): Promise<void> {
    const { checkpointRef, taskId } = this.#message;
    if (checkpointRef === undefined) return;
    const { blobs, log, clock } = this.#tools;
    const until = new Date(clock.now().getTime() + RESTORE_SECONDS * 1_000);
    try {
      const isThere = await this.#within(until, stop, (signal) => download(blobs, checkpointRef, file, signal));
      if (isThere) this.#restored = lookOf(await stat(file, { bigint: true }));
      else log.warn('the checkpoint is gone: the task starts afresh', { taskId, checkpoint: checkpointRef });
    } catch (error) {
      if (stop.aborted) return;
      throw new TransientError(`the checkpoint could not be read: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Stores what a command left that had to stop; `undefined` if that is nothing, nothing new, or could not be stored. */
  async store(file: string, until: Date): Promise<Checkpoint | undefined> {
    const { jobId, taskId, attempt } = this.#message;
    const { blobs, log, maxBytes, kill } = this.#tools;
    const blob = blobKeys.checkpoint(jobId, taskId, attempt, this.#leaseId);
    try {
      await using found = await openPlainFile(file);
      if (!found || found.bytes === 0 || found.look === this.#restored) return undefined;
      const { bytes, handle } = found;
      if (bytes > maxBytes) {
        log.warn('a checkpoint is too large to be kept', { taskId, attempt, bytes, maxBytes });
        return undefined;
      }
      await this.#within(until, kill, (signal) => {
        const chunks = piecesOf(handle, bytes);
        return blobs.putStream(blob, { bytes, chunks }, 'application/octet-stream', signal);
      });
      log.info('a checkpoint was stored', { taskId, attempt, bytes });
      return { blob, bytes };
    } catch (error) {
      log.warn('a checkpoint could not be stored', { taskId, attempt, error: messageOf(error) });
      return undefined;
    }
  }

  /** Tries until then, and not a moment longer: what is under way is cut. */
  async #within<Value>(
    until: Date,
    cut: AbortSignal,
    attempt: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value> {
    const { clock, random } = this.#tools;
    const late = new AbortController();
    const milliseconds = Math.max(0, until.getTime() - clock.now().getTime());
    const cancel = clock.after(milliseconds, () => late.abort(new TransientError('it took too long')));
    const signal = AbortSignal.any([cut, late.signal]);
    try {
      return await retry(() => attempt(signal), { clock, random, until, signal });
    } finally {
      cancel();
    }
  }
}

async function download(blobs: BlobStore, blob: string, file: string, signal: AbortSignal): Promise<boolean> {
  const found = await blobs.getStream(blob, signal);
  if (!found) return false;
  try {
    await pipeline(found.chunks, createWriteStream(file, { mode: 0o600 }), { signal });
    return true;
  } catch (error) {
    // Half a checkpoint is worse than none.
    await rm(file, { force: true });
    throw error;
  }
}

/** A file that was written since does not look the same. */
const lookOf = ({ ino, size, mtimeNs }: BigIntStats): string => [ino, size, mtimeNs].join(' ');

/** The command chose what lies there: follow no link, wait for no writer of a pipe. */
async function openPlainFile(path: string) {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => null);
  const found = await handle?.stat({ bigint: true });
  if (handle && found?.isFile()) {
    return { handle, bytes: Number(found.size), look: lookOf(found), [Symbol.asyncDispose]: () => handle.close() };
  }
  await handle?.close();
  return null;
}

/** From the beginning at every try, and no more than was counted, should somebody still write. */
async function* piecesOf(file: FileHandle, bytes: number): AsyncGenerator<Uint8Array> {
  for (let position = 0; position < bytes; ) {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, bytes - position));
    const { bytesRead } = await file.read(piece, 0, piece.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}
