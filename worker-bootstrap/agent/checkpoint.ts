/**
 * What a command leaves for the next attempt: `$SHOAL_CHECKPOINT_FILE`. Before the start it holds what an earlier attempt
 * left; when the command had to stop, what is there then is stored beside that, never over it.
 */
import { createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { blobKeys } from '../../core/ids.ts';
import type { TaskMessage } from '../../core/messages.ts';
import type { BlobStore } from '../../core/ports.ts';
import type { Checkpoint } from '../../core/task.ts';
import type { AgentClock } from './clock.ts';
import { isDiskError } from './disk-space.ts';
import { type Log, messageOf } from './log.ts';
import { lookOf, openPlainFile } from './plain-file.ts';
import { retry } from './retry.ts';
import type { TaskUser } from './task-user.ts';

export interface CheckpointTools {
  readonly blobs: BlobStore;
  readonly clock: AgentClock;
  readonly random: () => number;
  readonly log: Log;
  readonly kill: AbortSignal;
  /** A larger one is not kept. */
  readonly maxBytes: number;
  /** Whose file it must be. */
  readonly taskUser: TaskUser | null;
}

/** How long an earlier checkpoint may take to be read; the lease allows for it. */
export const RESTORE_SECONDS = 60;

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
    const { blobs, log, maxBytes, kill, taskUser } = this.#tools;
    const blob = blobKeys.checkpoint(jobId, taskId, attempt, this.#leaseId);
    try {
      const found = await openPlainFile(file, taskUser);
      if (found.kind !== 'plain') return undefined;
      await using plain = found;
      const { bytes } = plain;
      if (bytes === 0 || plain.look === this.#restored) return undefined;
      if (bytes > maxBytes) {
        log.warn('a checkpoint is too large to be kept', { taskId, attempt, bytes, maxBytes });
        return undefined;
      }
      await this.#within(until, kill, (signal) =>
        blobs.putStream(blob, { bytes, chunks: plain.pieces() }, 'application/octet-stream', signal),
      );
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
    throw isDiskError(error) ? new PermanentError(messageOf(error), { cause: error }) : error;
  }
}
