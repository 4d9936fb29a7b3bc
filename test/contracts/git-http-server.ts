/** Git's own `http-backend` behind a small CGI bridge (RFC 3875), on the loopback address. */
import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface RunningServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Serves on a free port of the loopback address. */
export async function serve(listener: RequestListener): Promise<RunningServer> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  // A listening TCP server has an address of this shape.
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop };
}

export interface GitHttpServerOptions {
  /** Only requests with this `Authorization` are served, as a host does with private repositories. */
  readonly authorization?: string;
  /** While it says so, nobody is served. */
  readonly closed?: () => boolean;
  /** Sees every request before it is answered. */
  readonly onRequest?: (request: IncomingMessage) => void;
}

/** Serves every repository below `root`. */
export const startGitHttpServer = (root: string, options: GitHttpServerOptions = {}): Promise<RunningServer> =>
  serve((request, response) => {
    options.onRequest?.(request);
    const { authorization, closed = () => false } = options;
    if (!closed() && (authorization === undefined || request.headers.authorization === authorization)) {
      void answer(root, request, response);
      return;
    }
    // Says back what it was shown: the rudest that a host can be. Git prints such a text.
    const body = `denied to ${request.headers.authorization ?? 'nobody'}\n`;
    response.writeHead(401, { 'www-authenticate': 'Basic realm="git"', 'content-type': 'text/plain' }).end(body);
  });

async function answer(root: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
  const backend = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      PATH_INFO: decodeURIComponent(pathname),
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      CONTENT_LENGTH: request.headers['content-length'] ?? '',
      REMOTE_ADDR: '127.0.0.1',
    },
  });
  request.pipe(backend.stdin);
  // A client may hang up as soon as it has read enough.
  backend.stdin.on('error', () => {});
  const output = await buffer(backend.stdout);
  const end = output.indexOf('\r\n\r\n');
  const headers = output.toString('latin1', 0, end).split('\r\n').map(headerOf);
  const [, status = '200'] = headers.find(([name]) => name === 'Status') ?? [];
  response.writeHead(Number.parseInt(status, 10), Object.fromEntries(headers.filter(([name]) => name !== 'Status')));
  response.end(output.subarray(end + 4));
}

function headerOf(line: string): [name: string, value: string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}
