/**
 * One path for every HTTP function: log context, metrics, our own API keys, routes, problem documents.
 * API Gateway has matched the route already (`routeKey`); whatever matched none is our own 404.
 */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { logMetrics } from '@aws-lambda-powertools/metrics/middleware';
import middy from '@middy/core';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import type { ApiKey, KeyStore } from '../../core/ports.ts';
import { logger, metrics } from '../telemetry.ts';
import { authenticate } from './authenticate.ts';
import { methodsOf } from './methods-of-paths.ts';
import { HttpError, toProblem } from './problem.ts';

export interface ApiRequest {
  readonly params: Readonly<Record<string, string | undefined>>;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** As it came; absent if there was none. */
  readonly body: string | undefined;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Route = (request: ApiRequest, caller: ApiKey) => Promise<ApiAnswer>;
export type OpenRoute = (request: ApiRequest) => Promise<ApiAnswer>;

export interface ApiRoutes {
  readonly keys: KeyStore;
  /** By route key, such as `GET /v1/jobs/{jobId}`. */
  readonly routes: Readonly<Record<string, Route>>;
  /** Routes that need no key. */
  readonly open?: Readonly<Record<string, OpenRoute>>;
}

const toRequest = (event: APIGatewayProxyEventV2): ApiRequest => ({
  params: event.pathParameters ?? {},
  query: event.queryStringParameters ?? {},
  headers: event.headers,
  body: event.body && event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString('utf8') : event.body,
});

function toResult({ status, body, headers }: ApiAnswer): APIGatewayProxyStructuredResultV2 {
  const isText = typeof body === 'string';
  return {
    statusCode: status,
    headers: {
      'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json',
      'cache-control': 'no-store',
      ...headers,
    },
    body: isText ? body : JSON.stringify(body),
  };
}

function noRoute(method: string, path: string): HttpError {
  const methods = methodsOf(path);
  if (methods.length === 0) return new HttpError(404, `there is no ${method} ${path}`);
  const detail = `${path} takes ${methods.join(', ')}; ${method} is none of them`;
  return new HttpError(405, detail, { allow: methods.join(', ') });
}

/** Makes the handler of an HTTP function. It never throws: an error that leaked would be the gateway's answer, not ours. */
export function apiHandler({ keys, routes, open = {} }: ApiRoutes) {
  const answer = async (event: APIGatewayProxyEventV2): Promise<ApiAnswer> => {
    const request = toRequest(event);
    const openRoute = Object.hasOwn(open, event.routeKey) ? open[event.routeKey] : undefined;
    if (openRoute) return openRoute(request);
    const route = Object.hasOwn(routes, event.routeKey) ? routes[event.routeKey] : undefined;
    if (!route) throw noRoute(event.requestContext.http.method, event.rawPath);
    return route(request, await authenticate(keys, request.headers['authorization']));
  };
  return middy<APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Error, Context>()
    .use(injectLambdaContext(logger, { resetKeys: true }))
    .use(logMetrics(metrics))
    .handler(async (event): Promise<APIGatewayProxyStructuredResultV2> => {
      logger.appendKeys({ route: event.routeKey });
      try {
        const result = toResult(await answer(event));
        metrics.addMetric('RequestsAnswered', MetricUnit.Count, 1);
        logger.info('answered', { status: result.statusCode });
        return result;
      } catch (error) {
        const result = toProblem(error);
        const failed = (result.statusCode ?? 500) >= 500;
        metrics.addMetric(failed ? 'RequestsFailed' : 'RequestsRefused', MetricUnit.Count, 1);
        if (failed) logger.error('request failed', { status: result.statusCode, error: error as Error });
        else logger.info('refused', { status: result.statusCode });
        return result;
      }
    });
}
