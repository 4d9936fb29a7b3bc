/** The control document as this machine last saw it, fetched by ETag. */
import {
  type ControlDocument,
  emptyControlDocument,
  hasJobLeft,
  isJobCancelled,
  isJobPaused,
  isTaskCancelled,
} from '../../core/control-document.ts';
import type { TaskMessage } from '../../core/messages.ts';
import type { Clock, ControlChannel } from '../../core/ports.ts';
import { type Log, messageOf } from './log.ts';

export interface ControlWatchOptions {
  readonly channel: ControlChannel;
  readonly fleet: string;
  readonly instanceId: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly maxAgeSeconds: number;
}

export class ControlWatch {
  readonly #options: ControlWatchOptions;
  #document: ControlDocument = emptyControlDocument;
  #etag: string | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(options: ControlWatchOptions) {
    this.#options = options;
  }

  /** Whether nothing more of that job will start on this machine. */
  isOver(jobId: string): boolean {
    return isJobCancelled(this.#document, jobId) || this.hasLeft(jobId);
  }

  /** Whether this task, or the whole job, is cancelled. */
  isCancelled({ jobId, taskId }: Pick<TaskMessage, 'jobId' | 'taskId'>): boolean {
    return isJobCancelled(this.#document, jobId) || isTaskCancelled(this.#document, taskId);
  }

  /** Whether nothing of that job is to start now. */
  isPaused(jobId: string): boolean {
    return isJobPaused(this.#document, jobId);
  }

  /** Whether that job went to other fleets: its messages here are worth nothing any more. */
  hasLeft(jobId: string): boolean {
    return hasJobLeft(this.#document, jobId);
  }

  get isDraining(): boolean {
    return this.#document.drainingInstances.includes(this.#options.instanceId);
  }

  /** Whether the document was not read lately. */
  get isStale(): boolean {
    const { clock, maxAgeSeconds } = this.#options;
    return clock.now().getTime() - this.#readAt >= maxAgeSeconds * 1_000;
  }

  /** Reads the document unless it was read lately. If that fails the old one stands: work goes on. */
  async refresh(): Promise<void> {
    if (!this.isStale) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { channel, fleet, clock, log } = this.#options;
    // What it says is as old as the question.
    const askedAt = clock.now().getTime();
    try {
      const read = await channel.read(fleet, this.#etag);
      this.#readAt = askedAt;
      if (read.kind === 'unchanged') return;
      this.#document = read.document;
      this.#etag = read.etag ?? undefined;
    } catch (error) {
      log.warn('the control document could not be read', { error: messageOf(error) });
    }
  }
}
