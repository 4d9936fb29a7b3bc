/** A request as an HTTP API hands it to a function: payload format 2.0 (API Gateway Developer Guide). */
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { LOCAL_ACCOUNT } from '../physical-names.ts';
import type { HttpRequest } from './http-server.ts';
import type { RouteMatch } from './routes.ts';

/** Bodies of these come as text, all others in base64. A body without a type is taken as text. */
const TEXT = /^(?:text\/|application\/(?:json|javascript|xml|[a-z0-9.-]+\+(?:json|xml))\b|$)/i;

/** A request line taken apart. */
export interface RequestTarget {
  /** Decoded, as API Gateway routes it. */
  readonly path: string;
  readonly query: string;
}

/** Splits and decodes the target of a request; `undefined` if its percent encoding is broken. */
export function parseTarget(target: string): RequestTarget | undefined {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  try {
    return { path: decodeURIComponent(path), query: mark < 0 ? '' : target.slice(mark + 1) };
  } catch {
    return undefined;
  }
}

/** Builds the event of a request that took a route. */
export function apiEvent(
  request: HttpRequest,
  { path, query }: RequestTarget,
  { route, pathParameters }: RouteMatch,
  { requestId, now }: { requestId: string; now: Date },
): APIGatewayProxyEventV2 {
  const { cookie, ...others } = request.headers;
  const headers = Object.fromEntries(
    Object.entries(others).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : (value ?? '')]),
  );
  const host = headers['host'] ?? 'localhost';
  const text = TEXT.test(headers['content-type'] ?? '');
  const { body } = request;
  return {
    version: '2.0',
    routeKey: route.key,
    rawPath: path,
    rawQueryString: query,
    ...(cookie ? { cookies: cookie.split(/;\s*/) } : {}),
    headers,
    ...(query ? { queryStringParameters: joinedParameters(query) } : {}),
    ...(Object.keys(pathParameters).length > 0 ? { pathParameters: { ...pathParameters } } : {}),
    requestContext: {
      accountId: LOCAL_ACCOUNT,
      apiId: 'local',
      domainName: host,
      domainPrefix: host.split(/[.:]/, 1)[0] ?? '',
      http: {
        method: request.method,
        path,
        protocol: 'HTTP/1.1',
        sourceIp: '127.0.0.1',
        userAgent: headers['user-agent'] ?? '',
      },
      requestId,
      routeKey: route.key,
      stage: '$default',
      time: commonLogTime(now),
      timeEpoch: now.getTime(),
    },
    ...(body && body.length > 0 ? { body: body.toString(text ? 'utf8' : 'base64') } : {}),
    isBase64Encoded: !text && body !== undefined && body.length > 0,
  };
}

/** `12/Mar/2020:19:03:58 +0000`. */
function commonLogTime(now: Date): string {
  const [, day, month, year, time] = now.toUTCString().split(' ');
  return `${day}/${month}/${year}:${time} +0000`;
}

/** A parameter that is given twice comes once, its values joined by commas. */
function joinedParameters(query: string): Record<string, string> {
  const joined = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const earlier = joined.get(name);
    joined.set(name, earlier === undefined ? value : `${earlier},${value}`);
  }
  return Object.fromEntries(joined);
}
