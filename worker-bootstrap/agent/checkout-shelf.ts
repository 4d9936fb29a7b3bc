/**
 * Keeps the checkouts of this machine within bounds: when there are too many of them, or too little of the disk is free,
 * those used least recently are removed, never one that is in use.
 */
import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DiskSpace } from './disk-space.ts';
import type { Code, Preparation, Preparations } from './preparations.ts';
import { removeTree, type TaskUser } from './task-user.ts';

export interface ShelfTools {
  readonly preparations: Pick<Preparations, 'prepare' | 'forget' | 'isReady'>;
  readonly disk: DiskSpace;
  readonly maxCheckouts: number;
  readonly minFreeDiskMiB: number;
  readonly taskUser: TaskUser | null;
  /** Told of every checkout that is removed. */
  readonly onRemoved: (commit: string) => void;
}

interface Kept {
  readonly code: Code;
  readonly folder: string;
  users: number;
}

/** A checkout that is used: it stays until it is given back. */
export interface UsedCheckout {
  readonly preparation: Preparation;
  readonly giveBack: () => void;
}

export class CheckoutShelf {
  readonly #tools: ShelfTools;
  /** By folder, used least recently first. */
  readonly #kept = new Map<string, Kept>();
  #removals = 0;
  #tidying: Promise<void> | undefined;

  constructor(tools: ShelfTools) {
    this.#tools = tools;
  }

  /** The code's checkout, made if need be for this job, to be given back by the caller. */
  async use(code: Code, jobId: string): Promise<UsedCheckout> {
    for (;;) {
      const preparation = await this.#tools.preparations.prepare(code, jobId);
      if (preparation.kind !== 'ready') {
        // Room for another try, should room be what was missing.
        await this.tidy();
        return { preparation, giveBack: () => undefined };
      }
      // Removed in this very moment: it is made anew.
      if (!this.#tools.preparations.isReady(code)) continue;
      const { folder } = preparation;
      const known = this.#kept.get(folder);
      const kept = known ?? { code, folder, users: 0 };
      kept.users += 1;
      this.#kept.delete(folder);
      this.#kept.set(folder, kept);
      if (!known) void this.tidy();
      return { preparation, giveBack: once(() => this.#giveBack(kept)) };
    }
  }

  /** One more user of a checkout that is in use already. */
  keep(folder: string): () => void {
    const kept = this.#kept.get(folder);
    if (!kept) return () => undefined;
    kept.users += 1;
    return once(() => this.#giveBack(kept));
  }

  forget(code: Code): void {
    this.#tools.preparations.forget(code);
  }

  /** Removes what is too much. */
  tidy(): Promise<void> {
    this.#tidying ??= this.#tidy().finally(() => {
      this.#tidying = undefined;
    });
    return this.#tidying;
  }

  #giveBack(kept: Kept): void {
    kept.users -= 1;
    if (kept.users === 0 && this.#kept.size > this.#tools.maxCheckouts) void this.tidy();
  }

  async #tidy(): Promise<void> {
    const { disk, maxCheckouts, minFreeDiskMiB } = this.#tools;
    for (;;) {
      const state = await disk.state();
      const isTight = state !== undefined && state.freeBytes < minFreeDiskMiB * 2 ** 20;
      const oldest = [...this.#kept.values()].find((kept) => kept.users === 0);
      if (!oldest || !(isTight || this.#kept.size > maxCheckouts)) return;
      await this.#remove(oldest);
    }
  }

  async #remove({ code, folder }: Kept): Promise<void> {
    this.#kept.delete(folder);
    this.#tools.preparations.forget(code);
    const place = dirname(folder);
    this.#removals += 1;
    // Out of the way at once: the same checkout may be wanted again before all of it is deleted.
    const away = `${place}.removed-${this.#removals}`;
    await rename(place, away).catch(() => undefined);
    await removeTree(this.#tools.taskUser, away).catch(() => undefined);
    this.#tools.onRemoved(code.commit);
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
