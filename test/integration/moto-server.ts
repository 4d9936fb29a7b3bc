/** moto, an emulator of the AWS API that is not ours (a Python package). Where it is not installed, its tests are skipped. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const PROGRAM = 'moto_server';
const START_MS = 40_000;

export const motoIsInstalled = spawnSync(PROGRAM, ['--help'], { stdio: 'ignore', timeout: 30_000 }).status === 0;

export class MotoServer {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(url: string, process: ChildProcess) {
    this.url = url;
    this.#process = process;
  }

  /** @throws Error with what it printed, if it does not answer in time */
  static async start(): Promise<MotoServer> {
    const port = await freePort();
    // Without the hundreds of images that it comes with: listing them takes longer than everything else.
    const command = 'MOTO_EC2_LOAD_DEFAULT_AMIS=false exec "$0" -H 127.0.0.1 -p "$1"';
    const child = spawn('sh', ['-c', command, PROGRAM, String(port)], { stdio: ['ignore', 'pipe', 'pipe'] });
    const printed: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => printed.push(String(chunk)));
    const server = new MotoServer(`http://127.0.0.1:${port}`, child);
    const deadline = performance.now() + START_MS;
    while (!(await server.#answers())) {
      if (child.exitCode !== null || performance.now() > deadline) {
        await server.stop();
        throw new Error(`${PROGRAM} does not answer: ${printed.join('').slice(-1_000)}`);
      }
      await delay(100);
    }
    return server;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
  }

  async #answers(): Promise<boolean> {
    return fetch(`${this.url}/moto-api/data.json`).then(
      (response) => response.ok,
      () => false,
    );
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
