import { createServer, type RequestListener } from 'node:http';
import { COUNTS_PATH, type RequestCounts } from './request-counts.ts';

/** Where an emulator listens and how to end it. */
export interface LoopbackServer {
  /** Without a trailing slash. */
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** SDK agents keep idle sockets for ever: a server that closes them first loses the race against the next request. */
const keepAliveMilliseconds = 600_000;

/**
 * Serves HTTP on the loopback address only.
 *
 * @param service named in the error when the port is taken
 * @param port 0 takes a free one
 * @param counts told to whoever asks for them; asking is not counted
 * @throws {Error} with one readable line, the system's error as its cause, when the port cannot be had
 */
export async function listenOnLoopback(
  service: string,
  port: number,
  onRequest: RequestListener,
  counts?: RequestCounts,
): Promise<LoopbackServer> {
  const server = createServer({ keepAliveTimeout: keepAliveMilliseconds, requestTimeout: 0 }, (request, response) => {
    if (counts === undefined || request.url !== COUNTS_PATH) return onRequest(request, response);
    const body = JSON.stringify({ service, operations: counts.byOperation() });
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason =
        cause.code === 'EADDRINUSE' ? 'is already in use' : `cannot be opened (${cause.code ?? cause.message})`;
      reject(new Error(`${service}: port ${port} on 127.0.0.1 ${reason}`, { cause }));
    });
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  const boundPort = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://127.0.0.1:${boundPort}`,
    port: boundPort,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
