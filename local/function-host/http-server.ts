/** HTTP on the loopback address: whole bodies up to a limit, and an end that lets the requests in flight finish. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface HttpRequest {
  readonly method: string;
  /** As it came: still encoded, with the query. */
  readonly target: string;
  readonly headers: IncomingMessage['headers'];
  /** `undefined` if it was larger than the limit. */
  readonly body: Buffer | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
}

export interface HttpServer {
  /** Without a trailing slash. */
  readonly url: string;
  /** Takes no more requests, and resolves when those in flight are answered or `graceMs` is over. */
  stop(graceMs: number): Promise<void>;
}

/** A JSON answer as AWS's own fronts give it. */
export const jsonAnswer = (status: number, document: unknown, headers: Record<string, string> = {}): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(document),
});

/**
 * Serves HTTP on 127.0.0.1.
 * @param port 0 takes a free one
 * @param answer must not reject; if it does the answer is AWS's 500
 * @throws Error naming service and port when the port cannot be had
 */
export async function serveHttp(
  { service, port, bodyLimitBytes }: { service: string; port: number; bodyLimitBytes: number },
  answer: (request: HttpRequest) => Promise<HttpAnswer>,
): Promise<HttpServer> {
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    try {
      const body = await readBody(incoming, bodyLimitBytes);
      const { method = 'GET', url: target = '/', headers } = incoming;
      write(outgoing, await answer({ method, target, headers, body }));
    } catch {
      // Nobody is left to read what went wrong when the client hung up; for everybody else this is API Gateway's answer.
      if (!outgoing.headersSent) write(outgoing, jsonAnswer(500, { message: 'Internal Server Error' }));
    }
  };
  // SDK agents keep idle sockets: a server that closes them first loses the race against the next request.
  const server = createServer({ keepAliveTimeout: 600_000, requestTimeout: 0 }, (incoming, outgoing) => {
    void handle(incoming, outgoing);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason = cause.code === 'EADDRINUSE' ? 'is already in use' : `cannot be opened (${cause.code})`;
      reject(new Error(`${service}: port ${port} on 127.0.0.1 ${reason}`, { cause }));
    });
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://127.0.0.1:${bound}`,
    stop: (graceMs) =>
      new Promise((resolve) => {
        const impatience = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(impatience);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

/** Reads a body to its end, keeping none of one that is too large: a client that is still sending would miss the answer. */
async function readBody(incoming: IncomingMessage, limitBytes: number): Promise<Buffer | undefined> {
  let chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= limitBytes) chunks.push(chunk);
    else chunks = [];
  }
  return length > limitBytes ? undefined : Buffer.concat(chunks);
}

function write(outgoing: ServerResponse, { status, headers = {}, body = '' }: HttpAnswer): void {
  outgoing.statusCode = status;
  for (const [name, value] of Object.entries(headers)) {
    outgoing.setHeader(name, typeof value === 'string' ? value : [...value]);
  }
  outgoing.end(body);
}
