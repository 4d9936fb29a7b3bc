/** The functions on GCP as they are deployed: the bundle under the real framework, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildFunctions } from '../../../gcp/build.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FRAMEWORK = join(ROOT, 'node_modules/@google-cloud/functions-framework/build/src/main.js');
const START_MS = 20_000;

export interface GcpFunctionOptions {
  readonly target: 'bridge' | 'reap';
  /** What gcp/function/config.ts reads. */
  readonly environment: Readonly<Record<string, string>>;
}

export class GcpFunction {
  readonly url: string;
  readonly #folder: string;
  readonly #options: GcpFunctionOptions;
  readonly #port: number;
  #child: ChildProcess | undefined;

  private constructor(folder: string, port: number, options: GcpFunctionOptions) {
    this.#folder = folder;
    this.#port = port;
    this.#options = options;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(options: GcpFunctionOptions): Promise<GcpFunction> {
    built ??= build();
    const started = new GcpFunction(await built, await freePort(), options);
    await started.restart();
    return started;
  }

  /** Ends it as a crash would, if it runs, and starts it again at the same address. */
  async restart(): Promise<void> {
    await this.crash();
    const { target, environment } = this.#options;
    const args = [FRAMEWORK, '--source', this.#folder, '--target', target, '--port', String(this.#port)];
    this.#child = spawn(process.execPath, args, {
      env: { PATH: dirname(process.execPath), ...environment },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await this.#answers();
  }

  async crash(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  stop(): Promise<void> {
    return this.crash();
  }

  async #answers(): Promise<void> {
    const deadline = performance.now() + START_MS;
    for (;;) {
      const up = await fetch(`${this.url}/robots.txt`).then(
        () => true,
        () => false,
      );
      if (up) return;
      if (performance.now() > deadline) throw new Error('the function does not start');
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** Once a process, however many are started. */
let built: Promise<string> | undefined;

async function build(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-gcp-function-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await buildFunctions(folder);
  // What Cloud Build would install there.
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('there is no free port');
  return address.port;
}
