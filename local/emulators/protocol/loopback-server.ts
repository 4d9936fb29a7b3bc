import { createServer, type RequestListener } from 'node:http';

/** Where an emulator listens and how to end it. */
export interface LoopbackServer {
  /** Without a trailing slash. */
  readonly url: string;
  readonly port: number;
  /** Ends every connection, whatever is under way on it. */
  dropConnections(): void;
  stop(): Promise<void>;
}

/** SDK agents keep idle sockets for ever: a server that closes them first loses the race against the next request. */
const keepAliveMilliseconds = 600_000;

/**
 * Serves HTTP on the loopback address only.
 *
 * @param service named in the error when the port is taken
 * @param port 0 takes a free one
 * @param operatorPaths what is asked of the emulator itself, not of the service it stands for
 * @throws {Error} with one readable line, the system's error as its cause, when the port cannot be had
 */
export async function listenOnLoopback(
  service: string,
  port: number,
  onRequest: RequestListener,
  operatorPaths: Readonly<Record<string, RequestListener>> = {},
): Promise<LoopbackServer> {
  const server = createServer({ keepAliveTimeout: keepAliveMilliseconds, requestTimeout: 0 }, (request, response) => {
    const listener = operatorPaths[request.url ?? ''] ?? onRequest;
    listener(request, response);
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
    dropConnections: () => server.closeAllConnections(),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
