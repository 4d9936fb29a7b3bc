/**
 * Azure Functions in a process of its own, as far as our functions need it: `node main.ts BUNDLE`. The environment is the
 * app's settings, HOST_LOG among them: then it says on stderr what goes on. It tells its parent when it listens; told `{fire: NAME}` it lets a timer's function run, and says how that went.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ServiceBusClient } from '@azure/service-bus';
import { z } from 'zod';
import { HostCore, type HostedFunction } from './host-core.ts';
import { listen } from './service-bus-listener.ts';

/** Where the stand-in for `@azure/functions-core`, beside the bundle, finds what it exports. */
const CORE = Symbol.for('shoal.functions-core');

const hostSchema = z.object({
  extensions: z.object({ serviceBus: z.object({ maxMessageBatchSize: z.int().positive() }) }),
});
const orderSchema = z.object({ fire: z.string() });

const bundle = process.argv[2] ?? '';
/** What functions log, and what goes wrong with messages: for who looks for a fault. */
const note = (text: string): void => {
  if (process.env['HOST_LOG']) console.error(text);
};
const say = (message: object): void => void process.send?.(message);
const onError = (error: unknown): void => note(`host: ${error instanceof Error ? error.message : error}`);

const core = new HostCore((level, text) => note(`${level}: ${text}`));
Object.assign(globalThis, { [CORE]: core.module });
createRequire(import.meta.url)(bundle);

const { serviceBus } = hostSchema.parse(
  JSON.parse(readFileSync(join(dirname(bundle), 'host.json'), 'utf8')),
).extensions;
const stop = new AbortController();
const clients = new Map<string, ServiceBusClient>();
const clientOf = ({ trigger: { connection = '' } }: HostedFunction): ServiceBusClient => {
  const client = clients.get(connection) ?? new ServiceBusClient(process.env[connection] ?? '');
  clients.set(connection, client);
  return client;
};
const listening = core.functions
  .filter(({ trigger }) => /^serviceBusTrigger$/i.test(trigger.type))
  .map((hosted) =>
    listen({ client: clientOf(hosted), hosted, batchSize: serviceBus.maxMessageBatchSize, onError }, stop.signal),
  );

async function fire(name: string): Promise<void> {
  const hosted = core.functions.find((each) => each.name === name);
  try {
    if (!hosted) throw new Error(`there is no ${name}`);
    const schedule = { Schedule: { AdjustForDST: true }, IsPastDue: false, ScheduleStatus: null };
    await hosted.invoke({ json: JSON.stringify(schedule) });
    say({ fired: name, error: null });
  } catch (error) {
    say({ fired: name, error: error instanceof Error ? error.message : String(error) });
  }
}

async function end(): Promise<void> {
  stop.abort();
  await Promise.all(listening);
  await Promise.all([...clients.values()].map((client) => client.close()));
  process.exit(0);
}

process.on('message', (message) => {
  const order = orderSchema.safeParse(message);
  if (order.success) void fire(order.data.fire);
});
process.once('SIGTERM', () => void end());
process.once('disconnect', () => process.exit(0));
say({ functions: core.functions.map(({ name, trigger }) => ({ ...trigger, name })) });
