/**
 * The `jsonl` processes of this machine between two tasks: at most one a slot, each kept for the next task of the same
 * job and code, and ended when its slot is wanted for something else, when nothing comes for a while, when its job is
 * cancelled, or with the machine.
 */
import type { JsonlProcess } from './jsonl-process.ts';

/** How long an idle process is kept. */
const IDLE_MS = 60_000;
/** What a process gets to end after the end of its input. */
const MAX_GRACE_SECONDS = 5;

export interface JsonlPoolTools {
  readonly graceSeconds: number;
  /** Aborted: no waiting for the end of the input to be noticed. */
  readonly hurry: AbortSignal;
  readonly kill: AbortSignal;
  /** How many slots are free: so many processes may be idle. */
  readonly room: () => number;
  readonly idleMs?: number;
}

interface Idle {
  readonly key: string;
  readonly jobId: string;
  readonly process: JsonlProcess;
  readonly expires: NodeJS.Timeout;
}

export class JsonlPool {
  readonly #tools: JsonlPoolTools;
  /** Longest idle first. */
  #idle: Idle[] = [];
  readonly #watched = new WeakSet<JsonlProcess>();
  /** Processes on their way out. */
  readonly #ending = new Set<Promise<void>>();

  constructor(tools: JsonlPoolTools) {
    this.#tools = tools;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  /** An idle process of that key, the one used last; it is the caller's until given back. */
  async take(key: string): Promise<JsonlProcess | undefined> {
    for (;;) {
      const found = this.#idle.findLast((each) => each.key === key);
      if (!found) return undefined;
      this.#remove(found);
      await found.process.settled();
      if (found.process.isUsable) return found.process;
      this.#end(found);
    }
  }

  /** Keeps a process for the next task, if it can be used again. */
  giveBack(key: string, jobId: string, process: JsonlProcess): void {
    if (!process.isUsable) return;
    const expires = setTimeout(() => this.#end(idle), this.#tools.idleMs ?? IDLE_MS);
    expires.unref();
    const idle = { key, jobId, process, expires };
    this.#idle = [...this.#idle, idle];
    this.#watch(process);
  }

  /** Ends idle processes, those that waited longest first, until no slot has two. */
  makeRoom(): void {
    const tooMany = Math.max(0, this.#idle.length - this.#tools.room());
    for (const longest of this.#idle.slice(0, tooMany)) this.#end(longest);
  }

  /** Ends the idle processes of jobs that need them no more. */
  endJobs(isOver: (jobId: string) => boolean): void {
    for (const idle of this.#idle.filter((each) => isOver(each.jobId))) this.#end(idle);
  }

  /** Ends every idle process; resolves when all are gone. */
  async close(): Promise<void> {
    for (const idle of this.#idle) this.#end(idle);
    while (this.#ending.size > 0) await Promise.all(this.#ending);
  }

  #end(idle: Idle): void {
    this.#remove(idle);
    const { graceSeconds, hurry, kill } = this.#tools;
    const ending = idle.process
      .end({ graceSeconds: Math.min(MAX_GRACE_SECONDS, graceSeconds), hurry, kill })
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** Once a process, not once a task: its end remembers whoever waits for it. */
  #watch(process: JsonlProcess): void {
    if (this.#watched.has(process)) return;
    this.#watched.add(process);
    void process.ended.then(() => {
      for (const idle of this.#idle.filter((each) => each.process === process)) this.#remove(idle);
    });
  }

  #remove(idle: Idle): void {
    clearTimeout(idle.expires);
    this.#idle = this.#idle.filter((each) => each !== idle);
  }
}
