/**
 * The AWS JSON 1.0 protocol over HTTP, as SQS, DynamoDB and Step Functions speak it: `POST /`, the operation in
 * `X-Amz-Target: Prefix.Operation`, an error as a body with `__type`. Signatures are not checked.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { FaultedService } from '../faults/fault-rule.ts';
import { FAULTS_PATH, faultSwitch } from '../faults/fault-switch.ts';
import type { Faults } from '../faults/faults.ts';
import {
  type FaultableCall,
  type Injections,
  isSparedBy,
  ResponseLost,
  SPARED_HEADER,
  withFaults,
} from '../faults/with-faults.ts';
import { AwsError } from './aws-error.ts';
import { type LoopbackServer, listenOnLoopback } from './loopback-server.ts';
import { readBody } from './request-body.ts';
import { COUNTS_PATH, countsTeller, type RequestCounts } from './request-counts.ts';

export interface JsonCall extends FaultableCall {
  /** The parsed body; not yet checked. */
  readonly input: unknown;
  /** The address under which the caller reached this server, without a trailing slash. */
  readonly origin: string;
  /** Aborted when the caller goes away before it has an answer. */
  readonly signal: AbortSignal;
}

/** Every call of a service passes through one such function. Throws {@link AwsError} for an answer that is an error. */
export type JsonHandler = (call: JsonCall) => Promise<object> | object;

export interface JsonService {
  readonly name: string;
  /** Namespace of the error types on the wire, such as `com.amazonaws.sqs`. */
  readonly errorNamespace: string;
  readonly port: number;
  readonly handle: JsonHandler;
  readonly counts: RequestCounts;
  readonly faults: Faults;
  readonly faultedAs: FaultedService;
  readonly injections: Injections<JsonCall, object>;
  readonly operatorPaths?: Readonly<Record<string, RequestListener>>;
  /** Services that once spoke the query protocol send its code beside the new one; the SDK shows it as `Code`. */
  readonly queryErrorCode?: (code: string) => string;
}

/** Serves one AWS JSON service on the loopback address. */
export function serveJsonProtocol(service: JsonService): Promise<LoopbackServer> {
  const { name, port, counts, faults } = service;
  const handle = withFaults(service.faultedAs, faults, service.injections, service.handle);
  const onRequest: RequestListener = (request, response) => void answer({ ...service, handle }, request, response);
  return listenOnLoopback(name, port, onRequest, {
    [COUNTS_PATH]: countsTeller(name, counts),
    [FAULTS_PATH]: faultSwitch(faults),
    ...service.operatorPaths,
  });
}

type Send = (statusCode: number, body: object) => void;

async function answer(service: JsonService, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableEnded) gone.abort();
  });
  const target = request.headers['x-amz-target'];
  const operation = typeof target === 'string' ? target.slice(target.lastIndexOf('.') + 1) : '';
  let requestBytes = 0;
  const send: Send = (statusCode, answerBody) => {
    const text = JSON.stringify(answerBody);
    service.counts.add(operation, requestBytes, Buffer.byteLength(text));
    sendText(response, statusCode, text);
  };
  try {
    const body = await readBody(request);
    requestBytes = body.length;
    const input = parseJson(body);
    const origin = `http://${request.headers.host ?? '127.0.0.1'}`;
    const isSpared = isSparedBy(request.headers[SPARED_HEADER]);
    send(200, await service.handle({ operation, input, origin, signal: gone.signal, isSpared }));
  } catch (error) {
    sendError(service, response, error, send);
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8') || '{}');
  } catch (cause) {
    throw new AwsError('SerializationException', 'The body is not JSON', { cause });
  }
}

function sendError(service: JsonService, response: ServerResponse, error: unknown, send: Send): void {
  if (error instanceof ResponseLost) response.destroy();
  // Whoever has gone away is told nothing, and its call is no fault of ours.
  if (response.destroyed) {
    send(0, {});
    return;
  }
  const known = error instanceof AwsError ? error : unexpected(service, error);
  const queryCode = service.queryErrorCode?.(known.code);
  if (queryCode !== undefined) {
    response.setHeader('x-amzn-query-error', `${queryCode};${known.statusCode < 500 ? 'Sender' : 'Receiver'}`);
  }
  send(known.statusCode, {
    __type: `${service.errorNamespace}#${known.code}`,
    message: known.message,
    ...known.members,
  });
}

function unexpected(service: JsonService, error: unknown): AwsError {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${service.name}: ${detail}\n`);
  return new AwsError('InternalServerError', 'The emulator failed', { statusCode: 500, cause: error });
}

/** To somebody who has gone away nothing can be sent. */
function sendText(response: ServerResponse, statusCode: number, text: string): void {
  if (response.destroyed) return;
  response
    .writeHead(statusCode, {
      'content-type': 'application/x-amz-json-1.0',
      'content-length': Buffer.byteLength(text),
      'x-amzn-requestid': randomUUID(),
    })
    .end(text);
}
