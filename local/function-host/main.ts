/**
 * The function host as a process: opens its ports, is configured by its supervisor over IPC, and ends with it.
 *
 * SIGTERM ends it in order. When the supervisor is gone without a word (killed), nobody else is left to end the machines:
 * then it does, and goes. SIGINT is ignored: a Ctrl-C reaches every process of the terminal, the order is the supervisor's.
 */
import { parseArgs } from 'node:util';
import { FunctionHost } from './host.ts';
import { type HostConfiguration, type HostReply, hostRequestSchema } from './host-configuration.ts';

const { values } = parseArgs({
  options: { 'api-port': { type: 'string', default: '0' }, 'lambda-port': { type: 'string', default: '0' } },
});

const reply = (message: HostReply): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
  process.send?.(message);
};
const log = (message: string, error: unknown): void => {
  process.stderr.write(`${message}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
};

let configuration: HostConfiguration | undefined;
let stopping = false;

async function stop(host: FunctionHost | undefined, supervisorIsGone: boolean): Promise<void> {
  if (stopping) return;
  stopping = true;
  try {
    await host?.stop();
    if (supervisorIsGone && configuration) await endInstances(configuration.instancesDirectory);
  } catch (error) {
    log('the end was not orderly', error);
  }
  process.exit(0);
}

async function endInstances(instancesDirectory: string): Promise<void> {
  const { endLocalInstances } = await import('../end-local-instances.ts');
  await endLocalInstances(instancesDirectory);
}

let host: FunctionHost | undefined;
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => void stop(host, false));
process.on('disconnect', () => void stop(host, true));

try {
  const opened = await FunctionHost.listen({ api: Number(values['api-port']), lambda: Number(values['lambda-port']) });
  host = opened;
  const urls = { apiUrl: opened.apiUrl, lambdaUrl: opened.lambdaUrl };
  process.on('message', (message) => {
    void configure(opened, message).then(
      () => reply({ ready: true, ...urls }),
      (error: unknown) => {
        log('the stack cannot run here', error);
        reply({ failed: error instanceof Error ? error.message : String(error) });
      },
    );
  });
  reply({ listening: true, ...urls });
} catch (error) {
  reply({ failed: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}

async function configure(opened: FunctionHost, message: unknown): Promise<void> {
  const request = hostRequestSchema.parse(message);
  configuration = request.configure;
  await opened.configure(request.configure, (error) => log('an error in the background', error));
}
