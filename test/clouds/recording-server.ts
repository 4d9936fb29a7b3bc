/** A service on the loopback address that remembers what it was asked, and fails when it is told to. */
import type { IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { serve } from '../contracts/git-http-server.ts';

export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The body's fields, where it is a form. */
  readonly form: Readonly<Record<string, string>>;
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body?: string | object;
}

export interface RecordingServer {
  readonly url: string;
  readonly requests: Recorded[];
  /** Answered instead, one a request, until there are none left. */
  readonly failures: Reply[];
  stop(): Promise<void>;
}

/** @param answer `undefined` is 404 */
export async function recordingServer(answer: (request: Recorded) => Reply | undefined): Promise<RecordingServer> {
  const requests: Recorded[] = [];
  const failures: Reply[] = [];
  const server = await serve((request, response) => {
    void text(request).then((body) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
      const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
      const recorded: Recorded = {
        method: request.method ?? '',
        path: pathname,
        query: Object.fromEntries(searchParams),
        headers: request.headers,
        body,
        form: isForm ? Object.fromEntries(new URLSearchParams(body)) : {},
      };
      requests.push(recorded);
      const reply = failures.shift() ?? answer(recorded) ?? { status: 404 };
      const { status = 200, headers = {}, body: content = '' } = reply;
      const type = typeof content === 'string' ? 'text/plain' : 'application/json';
      response.writeHead(status, { 'content-type': type, ...headers });
      response.end(typeof content === 'string' ? content : JSON.stringify(content));
    });
  });
  return { url: server.url, requests, failures, stop: server.stop };
}

/** One that ends with the test. */
export async function recordingServerOfTest(...parameters: Parameters<typeof recordingServer>) {
  const server = await recordingServer(...parameters);
  onTestFinished(() => server.stop());
  return server;
}
