/**
 * One part of the local run in a process of its own: started apart from the terminal, so that a Ctrl-C reaches only the
 * supervisor, which decides the order in which the parts end. Its output goes to a log; an end that nobody asked for is noticed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { COMPILE_CACHE } from './project-root.ts';

/** A part of the local run failed. The message names it, says why, and where its log is. */
export class PartError extends Error {}

export interface PartOptions {
  /** For people: `the function host`. */
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  readonly logPath: string;
}

export class SupervisedProcess {
  /** Resolves, with what to tell, when it ends without having been stopped. Never rejects. */
  readonly failure: Promise<PartError>;
  readonly #options: PartOptions;
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;
  #stopping: Promise<void> | undefined;

  constructor(options: PartOptions) {
    this.#options = options;
    const log = openSync(options.logPath, 'a');
    this.#child = spawn(process.execPath, [options.script, ...options.args], {
      detached: true,
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message));
      this.#child.once('exit', (code, signal) => resolve(signal ? `killed by ${signal}` : `exit code ${code}`));
    });
    this.failure = this.#watch();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  send(message: object): void {
    // A child that is gone is reported by `failure`, not here.
    this.#child.send(message, () => undefined);
  }

  /**
   * The next message of a shape; others are passed over.
   * @throws PartError when the process ends first, or when `limitMs` is over
   */
  async receive<Schema extends z.ZodType>(schema: Schema, limitMs: number): Promise<z.infer<Schema>> {
    const { promise, resolve } = Promise.withResolvers<z.infer<Schema>>();
    const listen = (message: unknown): void => {
      const parsed = schema.safeParse(message);
      if (parsed.success) resolve(parsed.data);
    };
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<PartError>((expire) => {
      timer = setTimeout(() => void this.#error(`did not answer within ${limitMs / 1_000} s`).then(expire), limitMs);
    });
    this.#child.on('message', listen);
    try {
      const first = await Promise.race([promise, this.failure, tooLate]);
      if (first instanceof PartError) throw first;
      return first;
    } finally {
      clearTimeout(timer);
      this.#child.off('message', listen);
    }
  }

  /** SIGTERM, and SIGKILL when it has not ended after `graceMs`. Resolves when it is gone; may be called again. */
  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  /** Ends it at once, without order. */
  kill(): void {
    this.#stopping ??= this.#ended.then(() => undefined);
    this.#child.kill('SIGKILL');
  }

  async #stop(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    this.#child.kill('SIGTERM');
    await this.#ended;
    clearTimeout(timer);
  }

  async #watch(): Promise<PartError> {
    const how = await this.#ended;
    // Asked to end: then it is no failure, and there is nothing to tell.
    if (this.#stopping !== undefined) return new Promise(() => undefined);
    return this.#error(`ended (${how})`);
  }

  async #error(what: string): Promise<PartError> {
    const { name, logPath } = this.#options;
    return new PartError(`${name} ${what}; its log is ${logPath}${await tailOf(logPath)}`);
  }
}

/** The end of a log, on lines of its own; nothing if there is nothing. */
export async function tailOf(logPath: string): Promise<string> {
  const log = await readFile(logPath, 'utf8').catch(() => '');
  const tail = log.trimEnd().split('\n').slice(-5).join('\n').slice(-1_000);
  return tail && `\n${tail}`;
}
