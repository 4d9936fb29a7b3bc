/** What the HTTP fronts share: tokens, faults, and answers that are told apart from what happens before them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../../../local/emulators/protocol/request-body.ts';
import { type CloudFaults, FAULTS_PATH, faultsSchema } from './cloud-faults.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface FrontOptions {
  readonly faults: CloudFaults;
  /** Requests need this bearer token; none is looked at when absent. */
  readonly token?: string | undefined;
  /** How the service words a failure. */
  readonly failure: (status: number, message: string) => HttpAnswer;
  readonly operationOf: (request: IncomingMessage) => string;
  readonly handle: (request: IncomingMessage) => Promise<HttpAnswer>;
}

export async function serve(request: IncomingMessage, response: ServerResponse, options: FrontOptions): Promise<void> {
  const send = ({ status, headers = {}, body = '' }: HttpAnswer): void => {
    if (response.destroyed) return;
    response
      .writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers })
      .end(request.method === 'HEAD' ? undefined : body);
  };
  const { faults, failure, token } = options;
  if (request.url === FAULTS_PATH) return send(await switchFaults(request, faults));
  const fault = faults.draw(options.operationOf(request));
  if (fault === 'down') return void request.socket.destroy();
  if (typeof fault === 'number') {
    request.resume();
    return send(failure(fault, 'injected'));
  }
  if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
    request.resume();
    return send(failure(401, 'Request had invalid authentication credentials.'));
  }
  try {
    const answer = await options.handle(request);
    if (fault === 'lost') return void request.socket.destroy();
    send(answer);
  } catch (error) {
    if (!request.socket.destroyed) send(failure(500, error instanceof Error ? error.message : String(error)));
  }
}

async function switchFaults(request: IncomingMessage, faults: CloudFaults): Promise<HttpAnswer> {
  const body = await readBody(request);
  faults.clear();
  if (request.method === 'DELETE') return { status: 204 };
  const parsed = faultsSchema.safeParse(JSON.parse(body.toString('utf8')));
  if (!parsed.success) return { status: 400, body: parsed.error.message };
  faults.set(...parsed.data.rules);
  faults.down = parsed.data.down;
  return { status: 204 };
}
