import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { checkPorts, portsFrom, portsOrFree } from './ports.ts';

let server: Server | undefined;
afterEach(() => server?.close());

describe('ports', () => {
  it('are consecutive from a base, or free ones', () => {
    expect(portsFrom(4100)).toEqual({ api: 4100, lambda: 4101, sqs: 4102, dynamodb: 4103, s3: 4104, states: 4105 });
    expect(new Set(Object.values(portsFrom(0)))).toEqual(new Set([0]));
  });

  it('that are taken are told, with their service', async () => {
    const listening = createServer();
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const address = listening.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const message = `port ${port} (for sqs) is already in use`;
    await expect(checkPorts({ ...portsFrom(0), sqs: port })).rejects.toThrow(message);
  });

  it('that are free pass', async () => {
    await expect(checkPorts(portsFrom(0))).resolves.toBeUndefined();
  });

  it('give way to free ones when somebody has the usual ones, and say so', async () => {
    const listening = createServer();
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const address = listening.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const told: string[] = [];

    expect(await portsOrFree(port - 2, (line) => told.push(line))).toBe(0);
    expect(told).toEqual([`ports ${port - 2} to ${port + 3} are not all free: taking others`]);
    expect(await portsOrFree(0, (line) => told.push(line))).toBe(0);
    expect(told).toHaveLength(1);
  });
});
