/** The ports of the local run: consecutive ones from a base, or free ones. */
import { createServer } from 'node:net';

export const SERVICES = ['api', 'lambda', 'sqs', 'dynamodb', 's3', 'states'] as const;
export type Service = (typeof SERVICES)[number];
export type Ports = Readonly<Record<Service, number>>;

/** `0`: each service takes a free port. */
export function portsFrom(base: number): Ports {
  const at = (offset: number): number => (base === 0 ? 0 : base + offset);
  return { api: at(0), lambda: at(1), sqs: at(2), dynamodb: at(3), s3: at(4), states: at(5) };
}

/**
 * Looks before anything is started whether the ports can be had, so that the answer is one line.
 * @throws Error naming each port that is taken and what it was meant for
 */
export async function checkPorts(ports: Ports): Promise<void> {
  const checked = await Promise.all(
    SERVICES.map(async (service) => ({ service, error: await tryPort(ports[service]) })),
  );
  const taken = checked.filter((each) => each.error !== undefined);
  if (taken.length === 0) return;
  const list = taken.map(({ service, error }) => `${ports[service]} (for ${service}) ${error}`).join(', ');
  throw new Error(`port ${list}; choose others with --port, which takes ${SERVICES.length} from the one you name`);
}

/**
 * The usual ports, unless somebody (another checkout, most likely) has one of them: then free ones, told in a line.
 * @returns what {@link portsFrom} takes
 */
export async function portsOrFree(base: number, tell: (line: string) => void): Promise<number> {
  try {
    await checkPorts(portsFrom(base));
    return base;
  } catch {
    tell(`ports ${base} to ${base + SERVICES.length - 1} are not all free: taking others`);
    return 0;
  }
}

function tryPort(port: number): Promise<string | undefined> {
  if (port === 0) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'EADDRINUSE' ? 'is already in use' : `cannot be opened (${code})`),
    );
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)));
  });
}
