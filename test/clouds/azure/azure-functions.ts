/** The functions on Azure as they are deployed: the bundle, under the real programming model, in a process of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { buildFunctions } from '../../../azure/build.ts';

const HOST = fileURLToPath(new URL('functions-host/main.ts', import.meta.url));
const STAND_IN = `module.exports = globalThis[Symbol.for('shoal.functions-core')];\n`;

const readySchema = z.object({
  functions: z.array(z.looseObject({ name: z.string(), type: z.string(), queueName: z.string().optional() })),
});
export type HostedTrigger = z.infer<typeof readySchema>['functions'][number];
const firedSchema = z.object({ fired: z.string(), error: z.string().nullable() });

export class AzureFunctions {
  readonly #bundle: string;
  readonly #environment: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  /** What is registered. */
  triggers: readonly HostedTrigger[] = [];

  private constructor(bundle: string, environment: Readonly<Record<string, string>>) {
    this.#bundle = bundle;
    this.#environment = environment;
  }

  /** The file that is deployed. */
  static bundle(): Promise<string> {
    built ??= build();
    return built;
  }

  /** @param environment what azure/function/config.ts reads, and the connection string of each connection, by its name */
  static async start(environment: Readonly<Record<string, string>>): Promise<AzureFunctions> {
    const functions = new AzureFunctions(await AzureFunctions.bundle(), environment);
    await functions.restart();
    return functions;
  }

  /** Ends it as a crash would, if it runs, and starts it again. */
  async restart(): Promise<void> {
    await this.crash();
    const child = fork(HOST, [this.#bundle], {
      env: { PATH: dirname(process.execPath), ...this.#environment },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child = child;
    const ended = once(child, 'exit').then(() => Promise.reject(new Error('the functions do not start')));
    ended.catch(() => undefined);
    const [message] = await Promise.race([once(child, 'message'), ended]);
    this.triggers = readySchema.parse(message).functions;
  }

  /** Lets a timer's function run once. @throws Error when that throws */
  async fire(name: string): Promise<void> {
    const child = this.#child;
    if (!child) throw new Error('the functions do not run');
    const answered = once(child, 'message');
    child.send({ fire: name });
    const { error } = firedSchema.parse((await answered)[0]);
    if (error !== null) throw new Error(error);
  }

  crash(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** As the platform ends one: what is under way is carried to its end. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}

/** Once a process, however many are started. */
let built: Promise<string> | undefined;

async function build(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-azure-functions-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await buildFunctions(folder);
  // The worker answers this name itself.
  const core = join(folder, 'node_modules/@azure/functions-core');
  await mkdir(core, { recursive: true });
  await writeFile(join(core, 'index.js'), STAND_IN);
  return join(folder, 'index.js');
}
