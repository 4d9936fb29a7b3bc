import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** An error of a service: HTTP status and the name that the SDK shows. */
export interface StubFailure {
  readonly status: number;
  readonly type: string;
}

export interface Invocation {
  readonly functionName: string;
  readonly invocationType: string;
  readonly payload: string;
}

/** Lambda's Invoke API on the loopback address: it takes every invocation, remembers it, and runs nothing. */
export class LambdaStub {
  readonly invocations: Invocation[] = [];
  /** While true, nobody may invoke anything. */
  forbidden = false;
  /** Asked for every request: an error to answer instead of doing anything. */
  spoil: () => StubFailure | undefined = () => undefined;
  readonly #server = createServer((request, response) => {
    void text(request).then((payload) => {
      const failure = this.spoil();
      if (failure) {
        response.writeHead(failure.status, { 'x-amzn-errortype': failure.type }).end('{}');
        return;
      }
      const [, functionName = ''] = /\/functions\/([^/]+)\/invocations/.exec(request.url ?? '') ?? [];
      const invocationType = String(request.headers['x-amz-invocation-type'] ?? 'RequestResponse');
      this.invocations.push({ functionName: decodeURIComponent(functionName), invocationType, payload });
      if (this.forbidden) {
        response.writeHead(403, { 'content-type': 'application/json', 'x-amzn-errortype': 'AccessDeniedException' });
        response.end('{"Message":"not authorized"}');
        return;
      }
      response.writeHead(invocationType === 'Event' ? 202 : 200);
      response.end(invocationType === 'Event' ? '' : 'null');
    });
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    // A listening TCP server has an address of this shape.
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
