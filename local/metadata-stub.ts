/**
 * The metadata server of local machines, so that the loss of a spot machine can be tried by hand: it speaks as each provider
 * does (metadata-dialects.ts), a folder a machine, and takes machines back when it is asked to.
 *
 *     POST /{instanceId}/interrupt?seconds=120    a notice; when the time is up, the machine is gone, ready or not
 *     POST /{instanceId}/rebalance                a rebalance recommendation
 *     POST /{instanceId}/vanish                   gone at once, without a word
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { endRemains, isMachineAlive, readMachine } from '../adapters/local/local-machine.ts';
import { signalGroup } from '../adapters/local/process-liveness.ts';
import { listenOnLoopback } from './emulators/protocol/loopback-server.ts';
import { DIALECTS, type Told } from './metadata-dialects.ts';

/** What EC2 gives. */
const NOTICE_SECONDS = 120;

export interface MetadataStub {
  readonly url: string;
  /** Gives a machine notice. @returns whether there is such a machine, and it runs */
  interrupt(instanceId: string, seconds?: number): Promise<boolean>;
  rebalance(instanceId: string): Promise<boolean>;
  /** Ends a machine and all that runs on it, as a power cut would. */
  vanish(instanceId: string): Promise<boolean>;
  stop(): Promise<void>;
}

/** @param instancesDirectory where the machines of the run are written down */
export async function startMetadataStub(instancesDirectory: string): Promise<MetadataStub> {
  const told = new Map<string, Told>();
  const timers = new Set<NodeJS.Timeout>();
  const running = async (instanceId: string) => {
    const machine = await readMachine(instancesDirectory, instanceId);
    return machine && (await isMachineAlive(machine)) ? machine : undefined;
  };
  const tell = async (instanceId: string, news: Partial<Told>): Promise<boolean> => {
    if (!(await running(instanceId))) return false;
    told.set(instanceId, { ...(told.get(instanceId) ?? NOTHING), ...news });
    return true;
  };
  const vanish = async (instanceId: string): Promise<boolean> => {
    const machine = await running(instanceId);
    if (!machine) return false;
    signalGroup(machine.pid, 'SIGKILL');
    while (await isMachineAlive(machine)) await new Promise((resolve) => setTimeout(resolve, 10));
    await endRemains(instancesDirectory, machine);
    return true;
  };
  const interrupt = async (instanceId: string, seconds = NOTICE_SECONDS): Promise<boolean> => {
    const known = await tell(instanceId, { endsAt: new Date(Date.now() + seconds * 1_000) });
    if (known) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        void vanish(instanceId);
      }, seconds * 1_000);
      timers.add(timer.unref());
    }
    return known;
  };
  const rebalance = (instanceId: string): Promise<boolean> => tell(instanceId, { rebalanceAt: new Date() });

  const commands = { interrupt, rebalance, vanish };
  const server = await listenOnLoopback('metadata', 0, (request, response) => {
    void answer(request, response, { told, commands });
  });
  const stop = async (): Promise<void> => {
    for (const timer of timers) clearTimeout(timer);
    await server.stop();
  };
  return { url: server.url, ...commands, stop };
}

const NOTHING: Told = { endsAt: null, rebalanceAt: null };

type Commands = Pick<MetadataStub, 'interrupt' | 'rebalance' | 'vanish'>;

interface Known {
  readonly told: ReadonlyMap<string, Told>;
  readonly commands: Commands;
}

const isCommand = (commands: Commands, path: string): path is keyof Commands => Object.hasOwn(commands, path);

async function answer(request: IncomingMessage, response: ServerResponse, { told, commands }: Known) {
  const reply = (status: number, text: string): void => void response.writeHead(status).end(`${text}\n`);
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const [, instanceId = '', ...rest] = pathname.split('/');
  const path = rest.join('/');
  const dialect = DIALECTS.find(({ prefix }) => path.startsWith(prefix));
  if (dialect) {
    return dialect.answer(request, response, {
      instanceId,
      path: path.slice(dialect.prefix.length),
      query: searchParams,
      told: () => told.get(instanceId) ?? NOTHING,
    });
  }
  if (request.method !== 'POST' || !isCommand(commands, path)) return reply(404, 'there is no such path');
  const seconds = Number(searchParams.get('seconds') ?? NOTICE_SECONDS);
  if (!Number.isFinite(seconds) || seconds < 0) return reply(400, 'seconds must be a number');
  const done = await commands[path](instanceId, seconds);
  return done ? reply(202, `${instanceId}: ${path}`) : reply(404, `no machine ${instanceId} is running`);
}
