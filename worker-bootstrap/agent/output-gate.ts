/**
 * Reads what a command prints no faster than the agent can afford. A pipe that is not read fills up and holds its writer
 * back, as a slow terminal would: a command that floods costs itself time, not its neighbours.
 */
import type { Readable } from 'node:stream';

const BYTES_PER_SECOND = 4 * 1024 * 1024;
/** So much may come at once: a large result is no flood. */
const BURST_BYTES = 20 * 1024 * 1024;

export class OutputGate {
  #credit = BURST_BYTES;
  #at = performance.now();
  #isOpen = false;
  readonly #paused = new Map<Readable, NodeJS.Timeout>();

  /** Hands every chunk of the stream to `onChunk`; several streams share one rate. */
  read(stream: Readable | null, onChunk: (chunk: Buffer) => void): void {
    stream?.on('data', (chunk: Buffer) => {
      onChunk(chunk);
      const pauseMs = this.#spend(chunk.length);
      if (pauseMs > 0 && !this.#isOpen) this.#pause(stream, pauseMs);
    });
  }

  /** Lets everything through that is left: the command has ended. */
  open(): void {
    this.#isOpen = true;
    for (const [stream, timer] of this.#paused) {
      clearTimeout(timer);
      stream.resume();
    }
    this.#paused.clear();
  }

  #pause(stream: Readable, milliseconds: number): void {
    stream.pause();
    const timer = setTimeout(() => {
      this.#paused.delete(stream);
      stream.resume();
    }, milliseconds);
    this.#paused.set(stream, timer);
  }

  /** Milliseconds until the credit is no longer overdrawn. */
  #spend(bytes: number): number {
    const now = performance.now();
    const earned = ((now - this.#at) / 1_000) * BYTES_PER_SECOND;
    this.#credit = Math.min(BURST_BYTES, this.#credit + earned) - bytes;
    this.#at = now;
    return this.#credit >= 0 ? 0 : (-this.#credit / BYTES_PER_SECOND) * 1_000;
  }
}
