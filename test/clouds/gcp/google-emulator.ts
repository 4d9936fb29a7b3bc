/** Google's own Pub/Sub emulator, where the Google Cloud CLI has it installed: what ours is compared with. */
import { spawn } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';

/** `gcloud components install pubsub-emulator` puts it there. */
const PROGRAM = 'platform/pubsub-emulator/bin/cloud-pubsub-emulator';
const START_MS = 30_000;

/** @returns where it is, or `undefined` */
export function googlePubSubEmulator(): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      const root = dirname(dirname(realpathSync(join(folder, 'gcloud'))));
      accessSync(join(root, PROGRAM), constants.X_OK);
      return join(root, PROGRAM);
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

export async function startGooglePubSub(program: string): Promise<{ host: string; stop(): void }> {
  const port = await freePort();
  // The program is a script around a JVM: only their group ends both.
  const child = spawn(program, ['--host=127.0.0.1', `--port=${port}`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  };
  await new Promise<void>((resolve, reject) => {
    let printed = '';
    const look = (piece: Buffer): void => {
      printed += piece.toString();
      if (printed.includes('Server started')) resolve();
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('exit', () => reject(new Error(`the emulator ended: ${printed}`)));
    setTimeout(() => reject(new Error(`the emulator does not start: ${printed}`)), START_MS).unref();
  }).catch((error: unknown) => {
    stop();
    throw error;
  });
  return { host: `127.0.0.1:${port}`, stop };
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
