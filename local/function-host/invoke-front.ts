/** Lambda's Invoke API, as far as SDKs and state machines use it (Lambda API Reference, "Invoke"). */
import { randomUUID } from 'node:crypto';
import { LAMBDA_PAYLOAD_LIMIT_BYTES } from './api-front.ts';
import type { AsyncInvocations, AsyncLimits } from './async-invocations.ts';
import { type HttpAnswer, type HttpRequest, jsonAnswer } from './http-server.ts';
import type { Outcome } from './invocation.ts';

/** The quota of an asynchronous invocation. */
const ASYNC_PAYLOAD_LIMIT_BYTES = 1024 * 1024;

/** What the front needs of a function. */
export interface Invocable {
  invoke(event: string, expiresAtMs?: number): Promise<Outcome>;
  readonly spec: AsyncLimits;
}

const PATH = /^\/2015-03-31\/functions\/([^/]+)\/invocations(?:\?.*)?$/;

const refused = (status: number, code: string, message: string): HttpAnswer =>
  jsonAnswer(status, { Type: 'User', Message: message, message }, { 'x-amzn-errortype': code });

/** `arn:aws:lambda:…:function:shoal-dev-scaler:$LATEST`, `shoal-dev-scaler:$LATEST` → `shoal-dev-scaler`. */
export function functionNameOf(nameOrArn: string): string {
  const [name = ''] = nameOrArn.replace(/^(?:arn:aws:lambda:[^:]*:)?(?:\d{12}:)?function:/, '').split(':');
  return name;
}

/**
 * Makes the front of the Invoke API.
 * @param find a function by its name
 */
export function invokeFront(
  find: (name: string) => Invocable | undefined,
  later: AsyncInvocations,
): (request: HttpRequest) => Promise<HttpAnswer> {
  return async (request) => {
    const [, target] = PATH.exec(request.target) ?? [];
    if (!target || request.method !== 'POST') {
      return refused(404, 'UnknownOperationException', 'The local run has only Invoke of this API.');
    }
    const invocable = find(functionNameOf(decodeURIComponent(target)));
    if (!invocable) {
      const message = `Function not found: ${decodeURIComponent(target)}`;
      return refused(404, 'ResourceNotFoundException', message);
    }
    const type = String(request.headers['x-amz-invocation-type'] ?? 'RequestResponse');
    const limit = type === 'Event' ? ASYNC_PAYLOAD_LIMIT_BYTES : LAMBDA_PAYLOAD_LIMIT_BYTES;
    if (!request.body || request.body.length > limit) {
      return refused(413, 'RequestTooLargeException', `Request must be smaller than ${limit} bytes`);
    }
    const event = request.body.toString('utf8') || '{}';
    if (!isJson(event)) {
      return refused(400, 'InvalidRequestContentException', 'Could not parse request body into json');
    }
    return invokeAs(type, invocable, event, later);
  };
}

async function invokeAs(
  type: string,
  invocable: Invocable,
  event: string,
  later: AsyncInvocations,
): Promise<HttpAnswer> {
  const headers = { 'x-amzn-requestid': randomUUID(), 'x-amz-executed-version': '$LATEST' };
  switch (type) {
    case 'DryRun':
      return { status: 204, headers };
    case 'Event':
      later.accept((expiresAtMs) => invocable.invoke(event, expiresAtMs), invocable.spec);
      return { status: 202, headers };
    case 'RequestResponse': {
      const outcome = await invocable.invoke(event);
      if (outcome.kind === 'returned') return { status: 200, headers, body: outcome.payload };
      return jsonAnswer(200, outcome.error, { ...headers, 'x-amz-function-error': 'Unhandled' });
    }
    default:
      return refused(400, 'InvalidParameterValueException', `Unknown invocation type ${type}`);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
