/** An HTTP service of the emulated Azure: calls are numbered, counted, spoilt on demand, and answered. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LoopbackServer, listenOnLoopback } from '../../../local/emulators/protocol/loopback-server.ts';
import type { AzureFaults, AzureOperation } from './azure-faults.ts';

export interface AzureCall {
  readonly operation: AzureOperation;
  readonly request: IncomingMessage;
  readonly url: URL;
  /** Aborted when the caller goes away. */
  readonly signal: AbortSignal;
}

export interface AzureAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string | Buffer;
}

export interface AzureHttpService {
  readonly name: string;
  readonly port: number;
  readonly faults: AzureFaults;
  readonly operationOf: (request: IncomingMessage, url: URL) => AzureOperation;
  readonly handle: (call: AzureCall) => Promise<AzureAnswer> | AzureAnswer;
  /** How it says that it was asked too much, and that it cannot answer; each time another of its ways. */
  readonly refusals: Readonly<Record<'throttle' | 'unavailable', readonly AzureAnswer[]>>;
  /** Told of every call. */
  readonly onCall?: (operation: AzureOperation) => void;
  /** What must be in the header `Authorization`; without it nothing must. */
  readonly token?: string | undefined;
}

export function serveAzureHttp(service: AzureHttpService): Promise<LoopbackServer> {
  let refused = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const url = new URL(request.url ?? '/', `http://${request.headers.host ?? '127.0.0.1'}`);
    const operation = service.operationOf(request, url);
    service.onCall?.(operation);
    const fault = service.faults.draw(operation);
    if (fault === 'down') return void response.destroy();
    if (fault === 'throttle' || fault === 'unavailable') {
      const ways = service.refusals[fault];
      refused += 1;
      request.resume();
      return send(response, ways[refused % ways.length] ?? { status: 503 });
    }
    const isKnown = service.token === undefined || request.headers.authorization === `Bearer ${service.token}`;
    const answered = isKnown ? await service.handle({ operation, request, url, signal: gone.signal }) : { status: 401 };
    if (fault === 'lost-response') return void response.destroy();
    send(response, answered);
  };
  return listenOnLoopback(service.name, service.port, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      // Whoever went away in the middle is told nothing.
      if (request.destroyed && !request.complete) response.destroy();
      else send(response, { status: 500, body: String(error) });
    });
  });
}

function send(response: ServerResponse, { status, headers = {}, body = '' }: AzureAnswer): void {
  if (response.destroyed) return;
  const isEmpty = status === 204 || status === 304;
  const length = isEmpty ? {} : { 'content-length': Buffer.byteLength(body) };
  response.writeHead(status, { ...length, ...headers }).end(isEmpty ? undefined : body);
}

/** Resolves when something may have changed, time is up, or the caller is gone. */
export async function until(
  onChange: (callback: () => void) => () => void,
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const cancel = onChange(() => stop.abort());
  await sleep(milliseconds, undefined, { signal: AbortSignal.any([signal, stop.signal]) }).catch(() => undefined);
  cancel();
}
