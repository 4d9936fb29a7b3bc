/**
 * The disk that the work folder is on. A command that fills it fails in whatever way it happens to fail, and often cleans
 * up before it ends: so the least free space seen while tasks run is what tells that the disk, not the task, was at fault.
 */
import { statfs } from 'node:fs/promises';

const WATCH_MS = 500;
/** Less than this is no space at all: the next write fails. */
const FULL_BYTES = 8 * 1024 * 1024;
/** Of a tiny disk a fiftieth, so that it is not full from the start. */
const FULL_SHARE = 1 / 50;

export interface DiskState {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export type DiskProbe = () => Promise<DiskState>;

export const probeOf =
  (folder: string): DiskProbe =>
  async () => {
    const { bavail, blocks, bsize } = await statfs(folder);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  };

export class DiskSpace {
  readonly #probe: DiskProbe;

  constructor(probe: DiskProbe) {
    this.#probe = probe;
  }

  /** `undefined` where nobody can tell. */
  state(): Promise<DiskState | undefined> {
    return this.#probe().catch(() => undefined);
  }

  /** Why nothing can be written, in words; `null` if it can. */
  async fullness(): Promise<string | null> {
    const state = await this.state();
    return state && isFull(state) ? describe(state) : null;
  }

  /** Watches until it is asked; then says whether the disk was full at any time since. */
  watch(): { readonly fullness: () => Promise<string | null> } & Disposable {
    let worst: string | null = null;
    const look = async (): Promise<void> => {
      worst ??= await this.fullness();
    };
    const timer = setInterval(() => void look(), WATCH_MS);
    const stop = (): void => clearInterval(timer);
    const fullness = async (): Promise<string | null> => {
      stop();
      await look();
      return worst;
    };
    return { fullness, [Symbol.dispose]: stop };
  }
}

const isFull = ({ freeBytes, totalBytes }: DiskState): boolean =>
  freeBytes < Math.min(FULL_BYTES, totalBytes * FULL_SHARE);

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

const describe = ({ freeBytes, totalBytes }: DiskState): string =>
  `the disk of the machine is full: ${mebibytes(freeBytes)} of ${mebibytes(totalBytes)} MiB are free`;

/** Whether the system said that a disk or a quota is used up, at first or as the cause of what was said then. */
export const isDiskError = (error: unknown): boolean =>
  error instanceof Error &&
  (('code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')) || isDiskError(error.cause));
