/** The input of a task, as one line of JSON: from the message itself or from its chunk file. */
import { z } from 'zod';
import type { TaskMessage } from '../../core/messages.ts';
import type { BlobStore, ByteRange } from '../../core/ports.ts';
import { messageOf } from './log.ts';
import { type RetryOptions, retry } from './retry.ts';

export type TaskInput =
  | { readonly kind: 'input'; readonly json: string; readonly key: string | undefined }
  /** It is not where the message says: the task's fault, as far as anybody can tell. */
  | { readonly kind: 'missing'; readonly reason: string }
  /** The store cannot be reached: this machine's fault. */
  | { readonly kind: 'unreachable'; readonly reason: string };

const lineSchema = z.object({ key: z.string().optional(), input: z.unknown() });

/** Chunk files kept in memory: neighbouring tasks share one. */
const KEPT_CHUNKS = 2;

export class TaskInputs {
  readonly #blobs: BlobStore;
  readonly #chunks = new Map<string, Promise<readonly string[] | undefined>>();

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  async read(message: TaskMessage, options: RetryOptions): Promise<TaskInput> {
    if (!message.inputRef) return { kind: 'input', json: JSON.stringify(message.input), key: message.key };
    const { blob, line, range } = message.inputRef;
    try {
      const text = range ? await this.#bytesOf(blob, range, options) : (await this.#linesOf(blob, options))?.[line];
      const task = parseLine(text);
      if (task) return { kind: 'input', json: JSON.stringify(task.input), key: message.key ?? task.key };
      return { kind: 'missing', reason: `there is no input at line ${line} of ${blob}` };
    } catch (error) {
      return { kind: 'unreachable', reason: `the input could not be read: ${messageOf(error)}` };
    }
  }

  /** A large input: only its own line of the file is read. */
  async #bytesOf(blob: string, range: ByteRange, options: RetryOptions): Promise<string | undefined> {
    const bytes = await retry(() => this.#blobs.get(blob, range), options);
    return bytes && new TextDecoder().decode(bytes);
  }

  #linesOf(blob: string, options: RetryOptions): Promise<readonly string[] | undefined> {
    const known = this.#chunks.get(blob);
    if (known !== undefined) return known;
    const lines = retry(() => this.#blobs.get(blob), options).then((bytes) =>
      bytes ? new TextDecoder().decode(bytes).split('\n') : undefined,
    );
    this.#chunks.set(blob, lines);
    // Only what was found stays: a blob may be written a moment later.
    const forget = (): boolean => this.#chunks.delete(blob);
    lines.then((found) => found ?? forget(), forget);
    for (const oldest of this.#chunks.keys()) {
      if (this.#chunks.size <= KEPT_CHUNKS) break;
      this.#chunks.delete(oldest);
    }
    return lines;
  }
}

/** A line of a chunk file: `{key?, input}`, as `submit` wrote it. */
function parseLine(line: string | undefined): z.infer<typeof lineSchema> | undefined {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(line ?? ''));
    return parsed.success && parsed.data.input !== undefined ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
